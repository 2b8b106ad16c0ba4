import { durableCalls, live } from './daemon.ts';
import { kindOf, type Stage } from './sweep.ts';

/**
 * One life with all threads of the daemon traced (strace -f), and with them the processes that it starts: those are told apart by how they came
 * into being. Logs are no promise: they may be written by whoever likes.
 */
export async function callsOfThreads(stage: Stage): Promise<{ readonly ofMain: number; readonly ofOthers: readonly string[] }> {
  const home = stage.fresh();
  const names = durableCalls.filter((name) => name !== 'write');
  const trace = `trace=${[...names, 'write', 'clone', 'clone3', 'fork', 'vfork'].join(',')}`;
  const life = await live(home, { options: ['-f', '--seccomp-bpf', '-e', trace], file: `${home}.calls` });
  if (life.code !== 0) throw new Error(`the traced daemon ended with ${life.code ?? life.osSignal}\n${life.log}`);
  const lines = life.calls
    .map((line) => /^(\d+) +(.*)$/.exec(line))
    .flatMap((it) => (it ? [{ thread: it[1] ?? '', call: it[2] ?? '' }] : []));
  const main = lines[0]?.thread ?? '';
  const threads = new Set([main]);
  // A thread may be seen before the call that made it has returned.
  for (const { thread, call } of lines) {
    const made = /^(?:<\.\.\. )?clone3?(?:\(| resumed>).*= (\d+)$/.exec(call)?.[1];
    if (made !== undefined && threads.has(thread) && isThread(lines, thread, call)) threads.add(made);
  }
  const durable = lines.filter(({ thread, call }) => threads.has(thread) && isDurable(call, home));
  const ofOthers = durable.filter(({ thread }) => thread !== main).map(({ call }) => kindOf(call, home));
  return { ofMain: durable.length - ofOthers.length, ofOthers: [...new Set(ofOthers)] };
}

type Line = { readonly thread: string; readonly call: string };

/** `CLONE_THREAD` stands in the first half of a call that another one interrupted. */
function isThread(lines: readonly Line[], thread: string, call: string): boolean {
  if (!call.startsWith('<... ')) return call.includes('CLONE_THREAD');
  const begun = lines
    .slice(
      0,
      lines.findIndex((line) => line.call === call && line.thread === thread),
    )
    .findLast((line) => line.thread === thread && line.call.includes('<unfinished'));
  return begun?.call.includes('CLONE_THREAD') === true;
}

const isDurable = (call: string, home: string): boolean =>
  /^[a-z]+[0-9]*\(/.test(call) && !call.startsWith('clone') && call.includes(`${home}/`) && !call.includes(`${home}/logs/`);
