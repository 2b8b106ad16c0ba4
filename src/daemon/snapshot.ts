import { asKept, snapshotPath, snapshotText, storeIdentity } from '../core/snapshot.ts';
import type { Run } from '../core/todo.ts';
import type { Context } from './context.ts';
import { chore } from './store-chores.ts';

/** As many as `todo list` shows. */
const todosMax = 1000;
/** Of the file; what is older is left out. A thousand todos of the usual size are one. */
const charsMax = 4 * 1024 * 1024;
/** Not sooner after the last look, where something changed here … */
const lookEveryMs = 2000;
/** … and so often for what other hosts change. */
const lookAnywayMs = 30_000;
/** A look may take this part of the time: amid a storm of changes it comes less often. */
const share = 1 / 20;
/** A snapshot in which nothing changed says that it is still true. */
const writeAnywayMs = 300_000;

type Kept = { todos: Map<string, string>; sha256: string; lookedAtMs: number; tookMs: number; writtenAtMs: number; signature: string };
const keptOf = new WeakMap<Context, Kept>();

/** What reads answer from while the store is away. The embedded store cannot be. */
export function keepSnapshot(context: Context): void {
  // A store of which nobody knows yet whether it is there is asked for what cannot wait.
  if (context.world.store.driver !== 'mysql' || context.state.store.reachable !== 'yes') return;
  chore(context, 'snapshot', lookEveryMs, () => refresh(context));
}

async function refresh(context: Context): Promise<void> {
  const { world, config, ledger } = context;
  const before = keptOf.get(context) ?? {
    todos: new Map(),
    sha256: '',
    lookedAtMs: -lookAnywayMs,
    tookMs: 0,
    writtenAtMs: -writeAnywayMs,
    signature: '',
  };
  const nowMs = world.clock.monotonicMs();
  const signature = `${context.state.asked} ${ledger
    .all()
    .map(({ ref, fact, shown, round }) => `${ref.runId}${fact}${shown}${round}`)
    .join()}`;
  if (nowMs < before.lookedAtMs + (signature === before.signature ? lookAnywayMs : before.tookMs / share)) return;
  const atMs = world.clock.nowMs();
  const [{ todos, truncated }, waiting] = await Promise.all([world.store.list({ statuses: null, limit: todosMax }), world.store.waiting()]);
  const kept = new Map<string, string>();
  let chars = 0;
  for (const todo of todos) {
    const text = JSON.stringify(asKept(todo));
    const known = before.todos.get(todo.id);
    // A run changes nothing that is shown without its todo.
    const item = known?.startsWith(`{"todo":${text},`)
      ? known
      : `{"todo":${text},"runs":${JSON.stringify((await world.store.runsOf(todo.id)).map(withoutToken))}}`;
    chars += item.length;
    if (chars > charsMax) break;
    kept.set(todo.id, item);
  }
  const about = { of: world.digest.sha256(storeIdentity(config.store)), waiting, isWhole: !truncated && kept.size === todos.length };
  const sha256 = world.digest.sha256(`${JSON.stringify(about)}${[...kept.values()].join()}`);
  const isNews = sha256 !== before.sha256 || nowMs >= before.writtenAtMs + writeAnywayMs;
  if (isNews) {
    const path = snapshotPath(world.home);
    const draft = `${path}.${context.owner.pid}`;
    world.files.write(draft, snapshotText({ atMs, ...about }, [...kept.values()], world.digest.sha256));
    world.files.rename(draft, path);
  }
  const tookMs = world.clock.monotonicMs() - nowMs;
  keptOf.set(context, { todos: kept, sha256, lookedAtMs: nowMs, tookMs, writtenAtMs: isNews ? nowMs : before.writtenAtMs, signature });
}

const withoutToken = (run: Run): Run => ({ ...run, tokenSha256: '' });
