import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { type Answer, newKey, session } from './ask.ts';
import { say } from './language.ts';
import { live, overview } from './live.ts';
import type { TextKey } from './texts.ts';

/** What is asked beside the reason. */
export type Field = 'force' | 'until' | 'emergency' | 'summary' | 'lookOnly';
export type Choice = { readonly action: string; readonly label: TextKey; readonly will: TextKey; readonly fields: readonly Field[] };
export type Given = {
  readonly action: string;
  readonly reason: string;
  readonly force: boolean;
  readonly summary: string | null;
  readonly untilMs: number | null;
  readonly emergency: 'complete' | 'reset' | 'stall' | null;
  readonly lookOnly: boolean;
};
export type Told = { readonly text: string; readonly tone: 'good' | 'bad' | 'plain' };
export type Counted = { readonly count: number; readonly isMore: boolean };

/** Something that a person is about to do. */
export type Act = {
  readonly title: string;
  readonly subject: string | null;
  /** With several the person chooses. */
  readonly choices: readonly Choice[];
  /** How many it will hit, looked up before it may be confirmed. */
  readonly count?: () => Promise<Answer<Counted>>;
  readonly send: (given: Given, idempotencyKey: string) => Promise<Answer<Told>>;
};

export type Opened = {
  readonly act: Act;
  readonly id: number;
  /** Pressing twice, or again after no answer came, does it once. After a refusal it is another request. */
  readonly key: string;
  readonly chosen: Choice;
  readonly counted: Answer<Counted> | 'counting' | null;
  readonly isWorking: boolean;
  readonly problem: string | null;
};

export const opened = signal<Opened | null>(null);
/** Goes up with each thing done from here: who shows a todo asks for it again. */
export const actsDone = signal(0);

export const mayAct = (): boolean => session.value?.role === 'operator' || session.value?.role === 'admin';

/** Null: go on. Else why nothing can be done now. */
export function whyNotNow(): string | null {
  if (overview.value?.acts === false) return say('actNeedsDaemon');
  return live.value ? null : say('actNeedsLink');
}

export function begin(act: Act): void {
  const [chosen] = act.choices;
  if (chosen === undefined) return;
  const id = ++dialogs;
  opened.value = { act, id, key: newKey(), chosen, counted: act.count === undefined ? null : 'counting', isWorking: false, problem: null };
  void act.count?.().then((counted) => change(id, { counted }));
}

let dialogs = 0;

/** Of that dialog, if it is still there. */
export function change(id: number, to: Partial<Opened>): void {
  if (opened.value?.id === id) opened.value = { ...opened.value, ...to };
}

/** Nothing for a viewer; cannot be pressed where nothing could come of it, and says why. */
export function ActButton({
  act,
  children,
  small = false,
}: {
  readonly act: () => Act;
  readonly children: ComponentChildren;
  readonly small?: boolean;
}) {
  if (!mayAct()) return null;
  const no = whyNotNow();
  return (
    <button type="button" class={small ? 'small' : ''} disabled={no !== null} title={no ?? undefined} onClick={() => begin(act())}>
      {children}
    </button>
  );
}
