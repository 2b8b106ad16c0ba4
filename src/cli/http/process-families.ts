import { counter, type Family, gauge } from '../../observe/metric.ts';
import { processFigures } from '../../platform/resources.ts';

/** What the process that answers uses itself. The stock set of the client library does not pass `promtool check metrics`; this one does. */
export function processFamilies(): readonly Family[] {
  const { rssBytes, heapUsedBytes, heapLimitBytes, cpuMs, openFiles, openFilesMax, threads } = processFigures();
  return [
    gauge('todo_process_resident_memory_bytes', 'Memory of the process that is in RAM.', rssBytes),
    gauge('todo_process_heap_used_bytes', 'Memory that its JavaScript objects use.', heapUsedBytes),
    gauge('todo_process_heap_limit_bytes', 'Where its JavaScript engine ends it.', heapLimitBytes),
    counter('todo_process_cpu_seconds', 'CPU time that it has used.', cpuMs / 1000),
    gauge('todo_process_open_fds', 'Files, sockets and pipes that it has open.', openFiles),
    gauge('todo_process_max_fds', 'How many it may have open.', openFilesMax),
    gauge('todo_process_threads', 'Threads that it has.', threads),
  ];
}
