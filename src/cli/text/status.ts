import type { Proof, ShownStatus } from '../../core/words.ts';
import type { Colour, Paint } from '../command.ts';

const looks: Readonly<Record<ShownStatus, readonly [symbol: string, colour: Colour]>> = {
  open: ['○', 'blue'],
  claimed: ['◔', 'cyan'],
  running: ['●', 'cyan'],
  finishing: ['◕', 'cyan'],
  parked: ['◌', 'grey'],
  stalled: ['◍', 'yellow'],
  blocked: ['■', 'yellow'],
  'dead-lettered': ['†', 'magenta'],
  completed: ['✔', 'green'],
  failed: ['✘', 'red'],
  cancelled: ['–', 'grey'],
};

/** A forced or overridden completion is not green: nobody proved it. */
const proofColours: Readonly<Record<Proof, Colour>> = { verified: 'green', unverified: 'green', forced: 'yellow', overridden: 'yellow' };

export const symbolOf = (status: ShownStatus): string => looks[status][0];
export const colourOf = (status: ShownStatus, proof: Proof | null = null): Colour =>
  proof === null ? looks[status][1] : proofColours[proof];

/** `✔ completed`, coloured. */
export const statusText = (status: ShownStatus, proof: Proof | null, paint: Paint): string =>
  paint(colourOf(status, proof), `${symbolOf(status)} ${status}`);

/** `completed, verified`; other words than `completed` have no proof. */
export const endText = (status: ShownStatus, proof: Proof | null): string => (proof === null ? status : `${status}, ${proof}`);
