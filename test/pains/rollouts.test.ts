/** Who goes away, this server or an endpoint, ends watches between two events and spread over the time it has. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextTurn } from '../../src/lib/next-turn.ts'
import { HeldClock } from '../harness/held-clock.ts'
import { httpClient } from '../harness/http-client.ts'
import { valueOf } from '../harness/metrics.ts'
import { policyOf, putPolicy, RAW_GROUP, registerRaw, startRawBackend } from '../harness/raw-backend.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'
import { untilTurn } from '../harness/until.ts'
import { EVENT, halves, openWatch, openWatches } from '../harness/watches.ts'

const DRAIN_MS = 30_000
const WINDOWS = 10
const STEP_MS = 10
const isSoak = process.env['PORTICO_SOAK'] !== undefined
/** Of one endpoint. */
const WATCHES = isSoak ? 2_000 : 50

const watchesOf = (portico: TestServer): Promise<number> =>
  valueOf(portico, 'apiserver_longrunning_requests', { group: RAW_GROUP })
/** Moves the time through the drain. In no part of it may more watches end than 1.5 times an even spread. */
async function passDrain(portico: TestServer, clock: HeldClock, total: number): Promise<void> {
  let open = await watchesOf(portico)
  for (let i = 0; i < WINDOWS; i++) {
    for (let ms = 0; ms < DRAIN_MS / WINDOWS; ms += STEP_MS) {
      clock.advance(STEP_MS)
      // Each end may set the timer of the next one.
      await nextTurn()
    }
    const still = await watchesOf(portico)
    const ended = open - still
    // The first one ends at once.
    assert.ok(ended <= 1.5 * (total / WINDOWS) + 1, `${ended} of ${total} watches in part ${i} of ${WINDOWS}`)
    assert.ok(ended > 0, `none in part ${i}`)
    open = still
  }
}

test('watches of an endpoint that goes end between two events, spread over the time, and others go on', async () => {
  const clock = new HeldClock()
  await using portico = await startTestServer([`--backend-drain-duration=${DRAIN_MS}ms`], { clock })
  const first = halves()
  await using going = await startRawBackend(portico, { host: '127.0.0.2', handler: first.handler })
  const second = halves()
  await using staying = await startRawBackend(portico, { host: '127.0.0.3', handler: second.handler })
  await registerRaw(portico, policyOf([going, staying]))
  const watches = await openWatches(portico.admin, 2 * WATCHES)
  assert.deepEqual([first.open(), second.open()], [WATCHES, WATCHES], 'spread evenly')
  // None may be torn: each has to wait for the rest of its event.
  await untilTurn('all have half an event', () => watches.every((w) => w.seen().length === EVENT.length + 50))
  clock.hold()
  await putPolicy(portico, policyOf([staying]))
  clock.advance(1)
  assert.equal(watches.filter((w) => w.ended()).length, 0, 'in the middle of an event')
  first.letGo()
  await untilTurn(
    'the events are whole',
    () => watches.filter((w) => w.seen().length === 2 * EVENT.length).length === WATCHES,
  )
  await passDrain(portico, clock, WATCHES)
  await untilTurn('they ended', () => watches.filter((w) => w.ended()).length >= WATCHES)
  for (const w of watches) if (w.ended()) assert.equal(await w.text, EVENT + EVENT)
  assert.equal(await watchesOf(portico), WATCHES, 'the others go on')
  const again = await openWatch(portico.admin)
  await untilTurn('new watches are served', () => again.seen() !== '')
  assert.equal(first.open(), WATCHES, 'nothing new went to the one that goes')
  assert.deepEqual(portico.errors, [])
})

test('when this server stops, proxied watches end between two events, spread over the time', async () => {
  const clock = new HeldClock()
  const args = [`--shutdown-watch-termination-grace-period=${DRAIN_MS}ms`]
  await using portico = await startTestServer(args, { clock })
  const events = halves()
  await using raw = await startRawBackend(portico, { handler: events.handler })
  await registerRaw(portico, policyOf([raw]))
  const client = httpClient(portico.url, { ca: portico.pki.ca().cert, ...portico.pki.admin() })
  const watches = await openWatches(client, WATCHES)
  await untilTurn('all have half an event', () => watches.every((w) => w.seen().length === EVENT.length + 50))
  clock.hold()
  const stopped = portico.server.stop()
  events.letGo()
  await untilTurn('the events are whole', () => watches.every((w) => w.seen().length === 2 * EVENT.length))
  await passDrain(portico, clock, WATCHES)
  for (const w of watches) assert.equal(await w.text, EVENT + EVENT)
  clock.run()
  await stopped
  await client.close()
  assert.deepEqual(portico.errors, [], 'ends of watches are no errors')
})
