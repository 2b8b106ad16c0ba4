import type { Overview as Document } from '../../../core/dashboard.ts';
import { Audit, Healing, Notifications, Watchdogs } from './around.tsx';
import { Breakers } from './breakers.tsx';
import { Components } from './components.tsx';
import { Funnel } from './funnel.tsx';
import { Runs } from './runs.tsx';
import { State } from './state.tsx';
import { DeadLetters, Retries } from './waiting.tsx';

/** From how it is as a whole to what happened last. */
export const Overview = ({ overview }: { readonly overview: Document }) => (
  <>
    <State overview={overview} />
    <Funnel todos={overview.todos} />
    <Runs live={overview.live} />
    <Components health={overview.health} />
    <DeadLetters deadLetters={overview.deadLetters} />
    <Retries retries={overview.retries} />
    <Breakers breakers={overview.breakers} />
    <Watchdogs watchdogs={overview.watchdogs} />
    <Notifications notifications={overview.notifications} />
    <Healing healing={overview.healing} />
    <Audit audit={overview.audit} />
  </>
);
