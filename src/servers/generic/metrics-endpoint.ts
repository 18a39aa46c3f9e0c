import type { Handler } from '../../http/filter.ts'
import { untilRoom } from '../../http/until-room.ts'

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** `/metrics`: rendered in slices and sent as they come, so that a scrape never holds the event loop. */
export function metricsHandler(render: () => AsyncIterable<string>): Handler {
  return async (ctx) => {
    const { exchange } = ctx
    ctx.respond(200, ['Content-Type', CONTENT_TYPE])
    for await (const slice of render()) {
      if (exchange.phase === 'finished') return
      if (!exchange.write(Buffer.from(slice))) await untilRoom(exchange)
    }
    exchange.end()
  }
}
