import type { Handler } from '../../http/filter.ts'

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** `/metrics`: rendered in slices and sent as they come, so that a scrape never holds the event loop. */
export function metricsHandler(render: () => AsyncIterable<string>): Handler {
  return async (ctx) => {
    const { exchange } = ctx
    ctx.respond(200, ['Content-Type', CONTENT_TYPE])
    for await (const slice of render()) {
      if (exchange.phase === 'finished') return
      if (!exchange.write(Buffer.from(slice))) await new Promise<void>((resolve) => waitForRoom(exchange, resolve))
    }
    exchange.end()
  }
}

/** A scraper that leaves is no longer waited for. */
function waitForRoom(exchange: Parameters<Handler>[0]['exchange'], resolve: () => void): void {
  exchange.onDrain(resolve)
  exchange.onFinish(resolve)
}
