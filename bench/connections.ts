/**
 * What connections leave in memory that come, ask for /version and go: 2,000 in a round, after three to warm up, with a
 * client certificate and without one. Prints one JSON object: MiB of resident memory after each, and KiB that a
 * connection leaves. Where nothing does, that is what chance makes of it.
 */
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { connect } from 'node:tls'
import { startServerProcess } from './lib/server-process.ts'

const CONNECTIONS = 2_000
const ROUNDS = Number(process.env['ROUNDS'] ?? 8)
const WARM_UP = 3
const AT_ONCE = 4
const SETTLE_MS = 5_000
const REQUEST = 'GET /version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'

async function measure(withCertificate: boolean): Promise<{ rssMiB: number[]; kibPerConnection: number }> {
  await using server = await startServerProcess(['--storage-backend=memory'])
  const { cert, key } = server.pki.admin()
  const identity = { ca: server.pki.ca().cert, ...(withCertificate ? { cert, key } : {}) }
  const visit = async (): Promise<void> => {
    const socket = connect({ port: server.port, host: '127.0.0.1', servername: 'localhost', ...identity })
    await once(socket, 'secureConnect')
    socket.write(REQUEST)
    socket.resume()
    await once(socket, 'close')
  }
  const round = async (): Promise<number> => {
    const visitor = async (): Promise<void> => {
      for (let i = 0; i < CONNECTIONS / AT_ONCE; i++) await visit()
    }
    await Promise.all(Array.from({ length: AT_ONCE }, visitor))
    await pause(SETTLE_MS)
    return server.rssMiB()
  }
  for (let i = 1; i < WARM_UP; i++) await round()
  const rssMiB = [await round()]
  for (let i = 0; i < ROUNDS; i++) rssMiB.push(await round())
  const growth = rssMiB.at(-1)! - rssMiB[0]!
  return {
    rssMiB: rssMiB.map(Math.round),
    kibPerConnection: Math.round((growth * 10_240) / (ROUNDS * CONNECTIONS)) / 10,
  }
}

console.log(
  JSON.stringify({
    name: 'connections',
    connections: CONNECTIONS,
    rounds: ROUNDS,
    withCertificate: await measure(true),
    without: await measure(false),
  }),
)
