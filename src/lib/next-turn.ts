/**
 * Resolves after the event loop has looked after everything that was waiting. For cutting a long synchronous job into
 * steps; no time is measured, so this is no matter of the Clock.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
