import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { actsDone, type Choice, type Counted, change, type Field, type Given, type Opened, opened } from './act.tsx';
import { announce } from './announce.tsx';
import { type Answer, newKey } from './ask.ts';
import { say } from './language.ts';
import { Said } from './parts.tsx';
import type { TextKey } from './texts.ts';

/** Says what will happen, asks why, and stays until it is known what came of it. */
export function ActDialog({ it }: { readonly it: Opened }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (dialog.current?.open === false) dialog.current.showModal();
  }, [it.id]);
  const { act, chosen, counted, isWorking, problem, key, id } = it;
  // Closing it gives the focus back to where it was before.
  const close = (): void => dialog.current?.close();
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const given = givenIn(new FormData(event.currentTarget as HTMLFormElement), chosen);
    if (typeof given === 'string') return change(id, { problem: given });
    change(id, { isWorking: true, problem: null });
    const answer = await act.send(given, key);
    if (answer.ok) {
      close();
      actsDone.value++;
      return announce(answer.value.text, answer.value.tone);
    }
    const why = answer.status === 0 ? say('notSure') : `${answer.message} (${answer.code})`;
    change(id, { isWorking: false, problem: why, ...(answer.status === 0 ? {} : { key: newKey() }) });
  };
  const asks = (field: Field): boolean => chosen.fields.includes(field);
  const cannot = counted === 'counting' || (counted !== null && (!counted.ok || counted.value.count === 0));
  return (
    <dialog ref={dialog} aria-labelledby="act-title" onClose={() => (opened.value = null)}>
      <form key={id} onSubmit={submit} noValidate>
        <h2 id="act-title">{act.title}</h2>
        {act.subject !== null && (
          <p class="subject">
            <Said text={act.subject} most={200} />
          </p>
        )}
        {act.choices.length > 1 && (
          <label>
            {say('chooseAction')}
            <select
              name="action"
              value={chosen.action}
              onChange={(event) =>
                change(id, { chosen: act.choices.find(({ action }) => action === event.currentTarget.value) ?? chosen, problem: null })
              }
            >
              {act.choices.map(({ action, label }) => (
                <option key={action} value={action}>
                  {say(label)}
                </option>
              ))}
            </select>
          </label>
        )}
        <p>{say(chosen.will)}</p>
        {counted !== null && <p class="count">{countWords(counted)}</p>}
        {asks('emergency') && (
          <fieldset>
            <legend>{say('emergencyDo')}</legend>
            {(['complete', 'reset', 'stall'] as const).map((kind, index) => (
              <label key={kind} class="choice">
                <input type="radio" name="emergency" value={kind} defaultChecked={index === 0} />
                {say(emergencies[kind])}
              </label>
            ))}
          </fieldset>
        )}
        {asks('until') && (
          <label>
            {say('until')}
            <input type="datetime-local" name="until" required defaultValue={localInput(Date.now() + 3_600_000)} />
          </label>
        )}
        {asks('summary') && (
          <label>
            {say('summary')}
            <input type="text" name="summary" maxLength={500} autocomplete="off" />
          </label>
        )}
        <label>
          {say('why')}
          <textarea name="reason" rows={2} maxLength={500} required aria-invalid={problem !== null} aria-describedby="act-problem" />
        </label>
        {asks('force') && (
          <label class="choice">
            <input type="checkbox" name="force" />
            {say('forceIt')}
          </label>
        )}
        {asks('lookOnly') && (
          <label class="choice">
            <input type="checkbox" name="lookOnly" defaultChecked />
            {say('lookOnly')}
          </label>
        )}
        <p id="act-problem" class="problem" role="alert">
          {problem !== null && <Said text={problem} most={600} />}
        </p>
        <div class="buttons">
          <button type="button" onClick={close}>
            {say('cancel')}
          </button>
          <button type="submit" class="main" disabled={isWorking || cannot}>
            {isWorking ? say('working') : say(chosen.label)}
          </button>
        </div>
      </form>
    </dialog>
  );
}

const emergencies = { complete: 'emergencyComplete', reset: 'emergencyReset', stall: 'emergencyStall' } as const satisfies Record<
  string,
  TextKey
>;

function countWords(counted: Answer<Counted> | 'counting'): ComponentChildren {
  if (counted === 'counting') return say('counting');
  if (!counted.ok) return say('couldNotAsk', { why: counted.message });
  const { count, isMore } = counted.value;
  if (count === 0) return say('willHitNone');
  return <strong>{say(isMore ? 'willHitFirst' : 'willHit', { n: count })}</strong>;
}

/** What was filled in, or what is wrong with it. */
function givenIn(form: FormData, { action, fields }: Choice): Given | string {
  const text = (name: string): string => String(form.get(name) ?? '').trim();
  const reason = text('reason');
  if (reason === '') return say('whyNeeded');
  if (reason.length > 500) return say('whyTooLong');
  const untilMs = fields.includes('until') ? new Date(text('until')).getTime() : null;
  if (untilMs !== null && !(untilMs > Date.now())) return say('untilNeeded');
  return {
    action,
    reason,
    force: form.get('force') !== null,
    summary: text('summary') || null,
    untilMs,
    emergency: fields.includes('emergency') ? (text('emergency') as 'complete') : null,
    lookOnly: form.get('lookOnly') !== null,
  };
}

/** What an input of that kind takes: the time on the clock here. */
function localInput(atMs: number): string {
  const wall = new Date(atMs - new Date(atMs).getTimezoneOffset() * 60_000);
  return wall.toISOString().slice(0, 16);
}
