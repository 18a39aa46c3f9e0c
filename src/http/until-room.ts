import type { Exchange } from './exchange.ts'

/** Resolves when an exchange whose write() said false takes more; also when it is over, so that no client is waited for that left. */
export function untilRoom(exchange: Exchange): Promise<void> {
  return new Promise((resolve) => {
    exchange.onDrain(resolve)
    exchange.onFinish(() => resolve())
  })
}
