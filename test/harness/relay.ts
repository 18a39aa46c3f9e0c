/** A way to a backend that a test can slow down, or cut without a word: no FIN, no RST, no bytes. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Relay extends AsyncDisposable {
  readonly address: string
  readonly port: number
  /** From now on every byte, either way, is lost; new connections lead nowhere. */
  vanish(): void
  /** From now on connections are accepted and what they say is held back. */
  holdBack(): void
  /** Connections held back now. */
  readonly heldBack: number
  letGo(): void
}

export async function startRelay(o: {
  readonly host: string
  readonly to: { readonly address: string; readonly port: number }
}): Promise<Relay> {
  const sockets = new Set<Socket>()
  const held: (() => void)[] = []
  let [vanished, holding] = [false, false]
  const join = (near: Socket): void => {
    const far = connect(o.to.port, o.to.address)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (chunk) => {
        if (!vanished) to.write(chunk)
      })
      from.on('end', () => {
        if (!vanished) to.end()
      })
      from.on('close', () => {
        if (!vanished) to.destroy()
      })
      from.on('error', () => {})
      sockets.add(from)
    }
  }
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => {
    sockets.add(near)
    near.on('error', () => {})
    const go = (): void => {
      join(near)
      near.resume()
    }
    if (vanished) return
    if (holding) held.push(go)
    else go()
  })
  server.listen(0, o.host)
  await once(server, 'listening')
  return {
    address: o.host,
    port: (server.address() as AddressInfo).port,
    vanish: () => {
      vanished = true
    },
    holdBack: () => {
      holding = true
    },
    get heldBack() {
      return held.length
    },
    letGo: () => {
      holding = false
      for (const go of held.splice(0)) go()
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}
