import type { Out } from './command.ts';

export type Progress = AsyncDisposable & {
  begin(title: string): void;
  step(text: string): void;
};

/** The current step: a spinner on a terminal, a line for each step elsewhere, nothing with --json. */
export async function progressOf(out: Out): Promise<Progress> {
  let title = '';
  const spinner = await out.spin('starting');
  return {
    begin(text) {
      if (title !== text && !out.spins) out.note(text);
      title = text;
    },
    step(text) {
      if (out.spins) spinner.step(`${title}: ${text}`);
      else out.note(`  ${text}`);
    },
    async [Symbol.asyncDispose]() {
      spinner.end();
    },
  };
}
