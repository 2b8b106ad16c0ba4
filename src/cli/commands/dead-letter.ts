import type { ControlReply } from '../../core/control.ts';
import { isOperational, OperationalError } from '../../core/errors.ts';
import type { Call, CommandModule, Opened } from '../command.ts';
import { type Letter, letterBy, lettersOf } from '../dead-letters.ts';
import { exit, exitCodeOf } from '../exit-codes.ts';
import { wholeNumber } from '../options.ts';
import { askOrDo, refusal } from '../say.ts';
import { plain } from '../text/plain.ts';
import { table } from '../text/table.ts';
import { clockText } from '../text/times.ts';
import { findTodo, usage } from '../todos.ts';

type Options = { readonly class?: string; readonly all?: true; readonly rate?: number; readonly force?: true };

/** Faster than this nobody's outbox should be filled by a repair. */
const rateMax = 500;

/** What was given up, kept whole: look at it, and give it new attempts. */
export const command: CommandModule = {
  declare(commander) {
    commander
      .option('--class <class>', 'list, requeue: only those of this class of errors')
      .option('--all', 'requeue: all that are here')
      .option('--rate <number>', 'requeue: at most so many a second', wholeNumber(1, rateMax))
      .option('--force', 'requeue: also what died twice in the same way')
      .addHelpText(
        'after',
        '\nActions:\n  list              what was given up\n  show ID           one of them: every attempt, the causes, every death before\n  requeue ID...     new attempts, from the last fact whose evidence is whole; twice is the same as once\n\nID is the number or id of the todo, or the id of the letter.',
      );
  },
  async run(call) {
    const [action = 'list', ...refs] = call.args;
    switch (action) {
      case 'list':
        return list(call);
      case 'show':
        return show(call, refs[0]);
      case 'requeue':
        return requeue(call, refs);
      default:
        throw usage('dead-letter', `no action ${action}`, 'Known: list, show, requeue. See: todo dead-letter --help');
    }
  },
};

const shown = ({ deaths: _deaths, causes: _causes, ...letter }: Letter) => letter;

async function list(call: Call): Promise<number> {
  const { out } = call;
  await using opened = await call.open({ readOnly: true });
  const { letters, unsure } = await lettersOf(opened.world);
  const wanted = chosen(letters, call.options as Options);
  out.json('dead-letters', { deadLetters: wanted.map(shown), unsure });
  if (unsure !== null) out.note(`The store could not be asked (${plain(unsure)}): some of these may have moved on.`);
  if (wanted.length === 0) out.line('No dead letters.');
  else
    for (const line of table(
      columns,
      wanted.map((letter) => row(letter, Date.now())),
      out.columns,
      out.paint,
    ))
      out.line(line);
  return exit.yes;
}

const columns = [
  { title: 'TODO' },
  { title: 'ID' },
  { title: 'SINCE' },
  { title: 'KIND' },
  { title: 'CLASS' },
  { title: 'TRIES', align: 'right' as const },
  { title: 'WHY', grows: 'cut' as const },
];

const row = (letter: Letter, nowMs: number) => [
  letter.number === null ? '' : String(letter.number),
  letter.id.slice(-12),
  clockText(letter.deadAtMs, nowMs),
  letter.kind,
  letter.class,
  String(letter.attempts),
  `${letter.poison ? 'again the same: ' : ''}${letter.here ? '' : 'on another host: '}${plain(letter.reason)}`,
];

async function show(call: Call, ref: string | undefined): Promise<number> {
  const { out } = call;
  if (ref === undefined) throw usage('dead-letter show', 'which one? no ID given', 'See: todo dead-letter list');
  await using opened = await call.open({ readOnly: true });
  const { letters } = await lettersOf(opened.world);
  const letter = letterBy(ref, letters);
  if (letter === null) throw none(ref, 'showing');
  out.json('dead-letter', { deadLetter: letter });
  const nowMs = Date.now();
  out.line(out.paint('bold', `${letter.number ?? ''}  ${plain(letter.title)}`.trim()));
  out.line(`${letter.kind} ${letter.id}, ${letter.class}${letter.code === null ? '' : ` (${letter.code})`}: ${plain(letter.reason)}`);
  for (const cause of letter.causes) out.line(`  because: ${plain(cause)}`);
  out.line(`payload sha256 ${letter.payloadSha256 ?? 'none: nothing was collected yet'}`);
  for (const [at, death] of letter.deaths.entries()) {
    out.line(`\ndeath ${at + 1} of ${letter.deaths.length}, ${clockText(death.atMs, nowMs)}, ${death.class}`);
    for (const [number, attempt] of death.attempts.entries())
      out.line(
        `  ${number + 1}. ${clockText(attempt.atMs, nowMs)}  ${plain(attempt.message)}${attempt.delayMs === null ? '' : `; again after ${attempt.delayMs} ms`}`,
      );
  }
  out.line(`\nTo give it new attempts: todo dead-letter requeue ${letter.number ?? letter.id}${letter.poison ? ' --force' : ''}`);
  return exit.yes;
}

const chosen = (letters: readonly Letter[], options: Options): readonly Letter[] =>
  letters.filter((letter) => options.class === undefined || letter.class === options.class);

type Result = { readonly id: string; readonly already: boolean; readonly error: OperationalError | null };

async function requeue(call: Call, refs: readonly string[]): Promise<number> {
  const options = call.options as Options;
  const { out } = call;
  if (refs.length === 0 && !options.all && options.class === undefined)
    throw usage('dead-letter requeue', 'which ones? no ID given', 'Give IDs, --class CLASS, or --all. See: todo dead-letter list');
  if (refs.length > 0 && (options.all || options.class !== undefined))
    throw usage('dead-letter requeue', 'IDs and --all or --class exclude each other');
  await using opened = await call.open();
  const { letters } = await lettersOf(opened.world);
  const wanted =
    refs.length > 0
      ? refs
      : chosen(letters, options)
          .filter(({ here }) => here)
          .map(({ id }) => id);
  const results: Result[] = [];
  for (const [at, ref] of wanted.entries()) {
    if (at > 0 && options.rate !== undefined) await opened.world.clock.sleep(1000 / options.rate);
    results.push(await requeueOne(ref, letters, options.force ?? false, opened));
  }
  const only = refs.length === 1 ? results[0] : undefined;
  if (only?.error) throw only.error;
  out.json('requeued', {
    results: results.map(({ id, already, error }) => ({
      id,
      ok: error === null,
      already,
      code: error?.code ?? null,
      message: error?.message ?? null,
    })),
  });
  for (const { id, already, error } of results) {
    if (error) out.note(`todo: ${error.message}\n${error.hint}`);
    else out.line(already ? `${id} was requeued before.` : `${id} has new attempts.`);
  }
  if (results.length === 0) out.line('No dead letters.');
  return results.reduce<number>((worst, { error }) => (error && worst === exit.yes ? exitCodeOf[error.code] : worst), exit.yes);
}

async function requeueOne(ref: string, letters: readonly Letter[], force: boolean, opened: Opened): Promise<Result> {
  try {
    const letter = letterBy(ref, letters);
    // What is no dead letter any more may have been requeued a moment ago: the engine knows.
    const id = letter?.id ?? (opened.world.journal.get(ref) === null ? (await findTodo(opened.world.store, ref, 'requeuing')).id : ref);
    const reply = await ask(id, letter, force, opened);
    if (!reply.ok) throw refusal(reply, 'requeuing', letter?.kind === 'delivery' ? `delivery ${id}` : `todo ${letter?.number ?? ref}`);
    return { id, already: reply.kind === 'requeued' && reply.already, error: null };
  } catch (error) {
    if (!isOperational(error)) throw error;
    return { id: ref, already: false, error };
  }
}

async function ask(id: string, letter: Letter | null, force: boolean, opened: Opened): Promise<ControlReply> {
  const request = { op: 'requeue', id, force } as const;
  if (letter?.kind !== 'delivery') return askOrDo(request, letter?.todoId ?? id, opened);
  const asked = await opened.ask(request);
  if (asked !== null) return asked;
  const { inProcess } = await import('../engine.ts');
  return inProcess(opened, null, (engine) => engine.serve(request));
}

const none = (ref: string, operation: string): OperationalError =>
  new OperationalError('NOT_FOUND', {
    operation,
    subject: `dead letter ${ref}`,
    why: 'there is none with that number or id',
    hint: 'See: todo dead-letter list',
  });
