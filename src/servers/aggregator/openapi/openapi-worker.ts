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
  const done = answerTo(id, openApiWork[name] as (input: never) => unknown, input)
  const { bytes } = (done.result ?? {}) as { readonly bytes?: Uint8Array }
  // Handed over, not copied: copies would be made in the main thread.
  const isAlone = bytes?.buffer instanceof ArrayBuffer && bytes.buffer.byteLength === bytes.byteLength
  parentPort!.postMessage(done, isAlone ? [bytes.buffer as ArrayBuffer] : [])
})

function answerTo(id: number, work: (input: never) => unknown, input: unknown): WorkDone {
  try {
    return { id, result: work(input as never) }
  } catch (e) {
    return { id, problem: (e as Error).message }
  }
}
