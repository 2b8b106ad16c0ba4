import { z } from 'zod';
import { type ActionRequest, type BreakerRequest, type HealRequest, type RequeueRequest, todoActions } from '../core/dashboard.ts';
import { healingKeys } from '../core/healing-keys.ts';
import { todoStatuses } from '../core/words.ts';
import type { ConfigRequest } from './shown.ts';

/** Bodies of what changes something. Loaded when the first one comes: who only looks needs none of it. */

const reason = z.string().trim().min(1, 'why? 1-500 characters').max(500);
const text = z.string().min(1).max(200);
const force = z.boolean().optional();

const actionRequest = z
  .strictObject({
    action: z.enum(todoActions),
    todos: z.union([
      z.strictObject({ ids: z.array(z.string().min(1).max(64)).min(1).max(1_000) }),
      z.strictObject({
        matching: z.strictObject({
          status: z
            .array(z.enum([...todoStatuses, 'finishing']))
            .min(1)
            .optional(),
          q: text.optional(),
          agent: text.optional(),
          project: z.string().min(1).max(4096).optional(),
        }),
      }),
    ]),
    reason,
    summary: z.string().trim().min(1).max(500).optional(),
    untilMs: z.int().positive().optional(),
    emergency: z.enum(['complete', 'reset', 'stall']).optional(),
    force,
  })
  .refine(({ action, untilMs }) => untilMs === undefined || action === 'park', { path: ['untilMs'], error: 'only to park' })
  .refine(({ action, emergency }) => emergency === undefined || action === 'emergency', {
    path: ['emergency'],
    error: 'only with the action emergency',
  });

const requeueRequest = z.strictObject({ reason, force });
const breakerRequest = z.strictObject({ action: z.enum(['isolate', 'reset']), reason });
const healRequest = z.strictObject({ what: z.string().min(1).max(100).nullable(), dryRun: z.boolean(), reason });

const resetRequest = z.strictObject({ reason });
const configRequest = (key: RegExp, says: string) =>
  z.strictObject({ key: z.string().max(200).regex(key, says), value: z.json(), version: z.string().max(100).optional(), reason });

type Bodies = {
  readonly todos: ActionRequest;
  readonly requeue: RequeueRequest;
  readonly breaker: BreakerRequest;
  readonly heal: HealRequest;
  readonly reset: RequeueRequest;
  readonly config: ConfigRequest;
  readonly threshold: ConfigRequest;
};
const schemas: { readonly [Name in keyof Bodies]: z.ZodType<unknown> } = {
  todos: actionRequest,
  requeue: requeueRequest,
  breaker: breakerRequest,
  heal: healRequest,
  reset: resetRequest,
  config: configRequest(healingKeys, 'a key of behavior, policies, breakers, resource or restart'),
  threshold: configRequest(/^resource\.\w+$/, 'a key of resource'),
};

export type Mistake = { readonly at: string; readonly message: string };

/** All that is wrong with it at once. */
export function parseBody<Name extends keyof Bodies>(
  name: Name,
  body: unknown,
): { readonly value: Bodies[Name] } | { readonly mistakes: readonly Mistake[] } {
  const parsed = schemas[name].safeParse(body);
  if (parsed.success) return { value: parsed.data as Bodies[Name] };
  return { mistakes: parsed.error.issues.flatMap(mistakesIn) };
}

/** Of a union that alternative which went furthest: the other ones say nothing about what was meant. */
function mistakesIn(issue: z.core.$ZodIssue): Mistake[] {
  if (issue.code === 'invalid_union') {
    const nearest = issue.errors.toSorted((a, b) => depth(b) - depth(a))[0] ?? [];
    return nearest.length === 0
      ? [{ at: at(issue.path), message: issue.message }]
      : nearest.flatMap((inner) => mistakesIn({ ...inner, path: [...issue.path, ...inner.path] } as z.core.$ZodIssue));
  }
  return [{ at: at(issue.path), message: issue.message }];
}

const depth = (issues: readonly z.core.$ZodIssue[]): number => Math.max(...issues.map(({ path }) => path.length));
const at = (path: readonly PropertyKey[]): string => (path.length === 0 ? 'body' : path.map(String).join('.'));
