/** The thread in which openapi-work.ts runs: one message in, one answer out. Started by openapi-thread.ts. */
import { parentPort } from 'node:worker_threads'
import { type OpenApiWork, openApiWork } from './openapi-work.ts'

export interface WorkOrder {
  readonly id: number
  readonly name: keyof OpenApiWork
  readonly input: unknown
}
export interface WorkDone {
  readonly id: number
  readonly result?: unknown
  /** Instead of a result. */
  readonly problem?: string
}

parentPort?.on('message', ({ id, name, input }: WorkOrder) => {
  parentPort!.postMessage(answerTo(id, openApiWork[name] as (input: never) => unknown, input))
})

function answerTo(id: number, work: (input: never) => unknown, input: unknown): WorkDone {
  try {
    return { id, result: work(input as never) }
  } catch (e) {
    return { id, problem: (e as Error).message }
  }
}
