/** Freezes a value and all that it holds, so that a change of it throws. O(its size), once. */
export function deepFreeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value) || ArrayBuffer.isView(value)) return
  Object.freeze(value)
  for (const part of Object.values(value)) deepFreeze(part)
}
