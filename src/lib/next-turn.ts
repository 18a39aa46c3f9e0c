/**
 * Resolves after the event loop has looked after everything that was waiting. For cutting a long synchronous job into
 * steps; no time is measured, so this is no matter of the Clock.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Between the steps of one job: undefined where it is too small to be worth a turn. */
export type Pause = (() => Promise<void>) | undefined
/** What is made of so many bytes takes milliseconds, and other requests have their turn in between. */
const LARGE_BYTES = 128 * 1024
export const pausesOf = (bytes = 0): Pause => (bytes > LARGE_BYTES ? nextTurn : undefined)

/** Takes each step of a long job in a turn of its own. */
export async function inTurns<T>(steps: Generator<void, T>): Promise<T> {
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
    await nextTurn()
  }
}
