import { counter, type Family, gauge } from '../../observe/metric.ts';
import { processFigures } from '../../platform/process-figures.ts';

/** What the process that answers uses itself. The stock set of the client library does not pass `promtool check metrics`; this one does. */
export function processFamilies(): readonly Family[] {
  const { rssBytes, heapUsedBytes, cpuSeconds, openFiles, loopBusyRatio } = processFigures();
  return [
    gauge('todo_process_resident_memory_bytes', 'Memory of the process that is in RAM.', rssBytes),
    gauge('todo_process_heap_used_bytes', 'Memory that its JavaScript objects use.', heapUsedBytes),
    counter('todo_process_cpu_seconds', 'CPU time that it has used.', cpuSeconds),
    gauge('todo_process_open_fds', 'Files, sockets and pipes that it has open.', openFiles),
    gauge('todo_process_event_loop_busy_ratio', 'Share of its time since the start in which its event loop had work.', loopBusyRatio),
  ];
}
