import ora from 'ora';
import type { Spinner } from './command.ts';

/** Ora on stderr. What else is written meanwhile goes through `out.note`, after `end`. */
export function makeSpinner(step: string): Spinner {
  // stdin stays as it is: Ctrl-C must reach us as an OS signal, and `todo run` may hand the terminal on.
  const spinner = ora({ text: step, stream: process.stderr, discardStdin: false, hideCursor: true }).start();
  return {
    step(text) {
      spinner.text = text;
    },
    end: () => void spinner.stop(),
    [Symbol.dispose]: () => void spinner.stop(),
  };
}
