/** What a Prometheus needs to watch one home: `prometheus.yml`, beside `alerts.yml`. To be changed: the addresses. */
export const prometheusConfig = (): string => `# Made by: todo metrics --prometheus
global:
  scrape_interval: 15s
  evaluation_interval: 15s
rule_files:
  # todo metrics --rules > alerts.yml
  - alerts.yml
alerting:
  alertmanagers:
    - static_configs:
        - targets: ["127.0.0.1:9093"]
scrape_configs:
  # The alerts ask for a job of this name.
  - job_name: todo
    static_configs:
      # server.port of the home; one line for each daemon.
      - targets: ["127.0.0.1:9480"]
    # Of a server that other machines may reach (server.allow_remote) the token is wanted: a copy of http.token that Prometheus may read.
    # authorization:
    #   credentials_file: /etc/prometheus/todo.token
`;
