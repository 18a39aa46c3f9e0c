/** The thread in which openapi-work.ts runs. Started by openapi-thread.ts. */
import { answerOrders } from '../../../lib/thread.ts'
import { type OpenApiWork, openApiWork } from './openapi-work.ts'

export interface WorkOrder {
  readonly name: keyof OpenApiWork
  readonly input: unknown
}

answerOrders(({ name, input }: WorkOrder) => (openApiWork[name] as (input: unknown) => unknown)(input))
