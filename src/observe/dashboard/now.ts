import { signal } from '@preact/signals';

/** The time of this machine, each second. */
export const nowMs = signal(Date.now());

/** How far the server's clock is ahead of ours, so that "5 s ago" is right on a machine whose clock is not. */
export const aheadMs = signal(0);

export const serverNowMs = (): number => nowMs.value + aheadMs.value;

const tick = (): void => {
  nowMs.value = Date.now();
};
setInterval(tick, 1000);
// In the background timers are slowed down, so what is seen first may be old.
document.addEventListener('visibilitychange', tick);
