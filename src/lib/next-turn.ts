/**
 * Resolves after the event loop has looked after everything that was waiting. For cutting a long synchronous job into
 * steps; no time is measured, so this is no matter of the Clock.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Takes each step of a long job in a turn of its own. */
export async function inTurns<T>(steps: Generator<void, T>): Promise<T> {
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
    await nextTurn()
  }
}
