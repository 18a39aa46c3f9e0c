import { Registry, collectDefaultMetrics } from 'prom-client'

/** Metrics of the process and of Node: CPU, memory, file descriptors, garbage collection, event loop delay. */
export function processMetrics(): { render(): Promise<string> } {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  return { render: () => registry.metrics() }
}
