import { encodeJson } from '../../api/codec/codec.ts'
import type { Handler } from '../../http/filter.ts'

/** `/`: every listed path, sorted; indented and without a newline, as kube-apiserver's. */
export function indexHandler(paths: () => readonly string[]): Handler {
  return (ctx) => sendIndented(ctx, { paths: [...new Set(paths())].sort() })
}

/** `/version`. */
export function indentedHandler(value: () => object): Handler {
  return (ctx) => sendIndented(ctx, value())
}

function sendIndented(ctx: Parameters<Handler>[0], value: object): void {
  const body = Buffer.from(encodeJson(value, { pretty: true }))
  ctx.answer(
    200,
    ['Content-Type', 'application/json', 'Content-Length', String(body.byteLength)],
    ctx.exchange.method === 'HEAD' ? undefined : body,
  )
}
