import { OperationalError } from '../core/errors.ts';
import type { Opened } from './command.ts';

/** There is nothing to take: says whether something will be there later (try again), or not at all. */
export async function nothingToRun({ world }: Opened, operation: string): Promise<OperationalError> {
  const waiting = await world.store.waiting();
  if (waiting === 0)
    return new OperationalError('REFUSED', { operation, subject: 'the next todo', why: 'none is open', hint: "Add one: todo add 'TITLE'" });
  return new OperationalError('NOTHING_DUE', {
    operation,
    subject: 'the next todo',
    why: `${waiting === 1 ? 'the one that waits is' : `the ${waiting} that wait are`} not due yet, held back by another todo, or held`,
    hint: 'See: todo list --status open parked',
  });
}
