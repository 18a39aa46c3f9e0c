/** The thread of src/lib/thread.test.ts. */
import { workerData } from 'node:worker_threads'
import { answerOrders } from '../../src/lib/thread.ts'

let count = 0
answerOrders((order: { echo?: unknown; throws?: string; exit?: boolean; exitLater?: Int32Array; fill?: boolean }) => {
  count++
  if (order.throws !== undefined) throw new RangeError(order.throws)
  if (order.exit) process.exit()
  if (order.exitLater) {
    process.once('exit', () => {
      Atomics.store(order.exitLater!, 0, 1)
      Atomics.notify(order.exitLater!, 0)
    })
    setImmediate(() => process.exit())
  }
  for (const kept: number[][] = []; order.fill; ) kept.push(Array.from({ length: 10_000 }, (_, i) => i + 0.5))
  return { echo: order.echo, data: workerData as unknown, nth: count }
})
