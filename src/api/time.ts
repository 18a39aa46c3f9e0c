/** RFC 3339 with whole seconds, as metav1.Time prints. */
export function formatTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}
