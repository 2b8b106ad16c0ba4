/**
 * Who is told of the alerts, how often, and of what not: `alertmanager.yml`. To be changed: the addresses, and where the secrets are.
 * All that is wrong at one daemon is one message; who is down is not also degraded; the cause mutes its consequences.
 */
export const alertmanagerConfig = (): string => `# Made by: todo metrics --alertmanager
global:
  smtp_smarthost: mail.example.org:587
  smtp_from: signoff@example.org
  smtp_auth_username: signoff
  # Secrets are in files that only Alertmanager may read.
  smtp_auth_password_file: /etc/prometheus/smtp.password
route:
  receiver: people
  # One message for all that is wrong at one daemon.
  group_by: [service, instance]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 12h
  routes:
    # Whoever misses it knows that alerts do not arrive.
    - matchers: [alertname="TodoHeartbeat"]
      receiver: heartbeat
      group_wait: 0s
      group_interval: 1m
      repeat_interval: 5m
    - matchers: [severity="critical"]
      receiver: people
      group_wait: 10s
      repeat_interval: 1h
inhibit_rules:
  # What a daemon last said of itself says nothing while it is down.
  - source_matchers: [alertname="TodoDaemonDown"]
    target_matchers: [service="todo", alertname!~"TodoDaemonDown|TodoHeartbeat"]
    equal: [instance]
  # The cause, and not its consequences.
  - source_matchers: [alertname="TodoDaemonStuck"]
    target_matchers: [alertname="SystemUnhealthy", component="daemon"]
    equal: [instance]
  - source_matchers: [alertname="TodoStoreAway"]
    target_matchers: [alertname="TodoBreakerOpenLong", dependency="store"]
    equal: [instance]
  - source_matchers: [alertname="TodoCompletionsFailFast"]
    target_matchers: [alertname="TodoCompletionsFailSlowly"]
    equal: [instance]
receivers:
  - name: people
    email_configs:
      - to: oncall@example.org
        send_resolved: true
        headers:
          Subject: "[{{ .Status | toUpper }}] todo{{ with .GroupLabels.instance }} at {{ . }}{{ end }}: {{ if eq (len .Alerts) 1 }}{{ (index .Alerts 0).Annotations.summary }}{{ else }}{{ len .Alerts }} alerts{{ end }}"
        text: |
          {{ range .Alerts }}{{ .Status | toUpper }} {{ .Labels.alertname }} ({{ .Labels.severity }}): {{ .Annotations.summary }}
            since {{ .StartsAt.UTC.Format "2006-01-02 15:04:05" }} UTC{{ if eq .Status "resolved" }}, over since {{ .EndsAt.UTC.Format "2006-01-02 15:04:05" }} UTC{{ else }}
            what to do: {{ .Annotations.runbook }}{{ end }}

          {{ end }}
    webhook_configs:
      - url: https://hooks.example.org/alerts
        send_resolved: true
        http_config:
          authorization:
            credentials_file: /etc/prometheus/webhook.token
  - name: heartbeat
    webhook_configs:
      - url: https://hooks.example.org/heartbeat
        send_resolved: false
        http_config:
          authorization:
            credentials_file: /etc/prometheus/webhook.token
`;
