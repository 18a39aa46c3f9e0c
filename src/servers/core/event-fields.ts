/** Field labels of events that are not simply paths. */
export function eventField(label: string, object: object): string | undefined {
  if (label !== 'source') return undefined
  const event = object as { source?: { component?: string }; reportingComponent?: string; reportingController?: string }
  return event.source?.component || event.reportingComponent || event.reportingController || ''
}
