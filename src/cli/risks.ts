import { type Prediction, type PredictionModel, percent, predict } from '../core/prediction.ts';
import { isPredictable, modelIn, signsOf } from '../daemon/prediction-signs.ts';
import type { Opened, Out } from './command.ts';
import { plain } from './text/plain.ts';

/** What may become of the runs that live, by what the daemon learned last. Nothing is learned here, and nothing asked of the store. */
export function risksIn({ world }: Pick<Opened, 'world'>): Risks {
  const model = modelIn(world.journal);
  const nowMs = world.clock.nowMs();
  const found = new Map(
    world.journal
      .live()
      .filter(isPredictable)
      .map((entry) => [entry.ref.runId, predict(model, signsOf(entry, nowMs))]),
  );
  return { model: shownModel(model), of: (runId) => found.get(runId) ?? null };
}

export type Risks = { readonly model: ShownModel; of(runId: string): Prediction | null };

/** What the model is worth: its error on runs that came after those it learned from, and that of always saying the share of all. */
type ShownModel = {
  readonly kind: 'none' | PredictionModel['kind'];
  readonly atMs: number | null;
  readonly runs: number;
  readonly hungOrFailed: number;
  readonly needs: string | null;
  readonly brier: number | null;
  readonly brierOfBaseRate: number | null;
};

const shownModel = (model: PredictionModel | null): ShownModel => ({
  kind: model?.kind ?? 'none',
  atMs: model?.fittedAtMs ?? null,
  runs: model?.runs ?? 0,
  hungOrFailed: model?.bad ?? 0,
  needs: model?.kind === 'too-little' ? model.needs : null,
  brier: model?.kind === 'fitted' ? model.brier : null,
  brierOfBaseRate: model?.kind === 'fitted' ? model.brierOfBaseRate : null,
});

/** Of the run of a todo that lives; null: none does. */
export function riskOf({ world }: Pick<Opened, 'world'>, todoId: string): Prediction | null {
  const entry = world.journal.live().find((it) => it.ref.todoId === todoId && isPredictable(it));
  return entry === undefined ? null : predict(modelIn(world.journal), signsOf(entry, world.clock.nowMs()));
}

export const riskText = (risk: Prediction): readonly string[] =>
  risk.kind === 'none'
    ? ['', `Whether it will hang or fail cannot be said: ${risk.why}.`]
    : [
        '',
        `It hangs or fails with a probability of ${percent(risk.probability)} (of all runs here ${percent(risk.baseRate)} did).`,
        ...risk.reasons,
      ];

export function riskLines(
  { model, of }: Risks,
  live: readonly { readonly runId: string; readonly number: number }[],
  { paint }: Out,
): readonly string[] {
  if (live.length === 0) return [];
  if (model.kind !== 'fitted')
    return [
      '',
      paint(
        'dim',
        `Which of them may hang or fail cannot be said: ${model.needs === null ? 'nothing was learned yet' : `it needs ${model.needs}`}.`,
      ),
    ];
  const lines = live.flatMap(({ runId, number }) => {
    const risk = of(runId);
    return risk?.kind !== 'risk' ? [] : [`  ${number}  ${percent(risk.probability)}  ${plain(risk.reasons[0] ?? 'as all runs here')}`];
  });
  const worth = `error on later runs ${model.brier?.toFixed(3)}, of always saying ${percent(model.hungOrFailed / Math.max(1, model.runs))} ${model.brierOfBaseRate?.toFixed(3)} (Brier)`;
  return lines.length === 0 ? [] : ['', `May hang or fail, by ${model.runs} runs here; ${worth}:`, ...lines];
}
