/** When controllers work, and what is counted of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deferred, untilAborted } from '../lib/deferred.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import { Lifetime } from '../lib/lifetime.ts'
import { nextTurn } from '../lib/next-turn.ts'
import { noopLogger } from '../observability/logger.ts'
import { MetricsRegistry } from '../observability/metrics-registry.ts'
import { DONE, type ReconcileResult, type Reconciler, TerminalError } from './controller.ts'
import { ControllerManager, type ControllerSpec, type Elect } from './controller-manager.ts'
import { ControllerSwitches } from './controller-switches.ts'

class Rig implements AsyncDisposable {
  readonly clock = new FakeClock()
  readonly life = new Lifetime()
  readonly metrics = new MetricsRegistry()
  readonly worked: string[] = []
  readonly manager: ControllerManager

  constructor(switches = '*') {
    const { clock, life, metrics } = this
    const log = noopLogger
    this.manager = new ControllerManager({
      clock,
      life,
      metrics,
      log,
      switches: new ControllerSwitches(switches.split(',')),
    })
  }
  spec(o: Partial<ControllerSpec> = {}, reconcile?: (key: string) => Promise<ReconcileResult>): ControllerSpec {
    const reconciler: Reconciler = {
      reconcile: async (key) => {
        this.worked.push(key)
        return reconcile ? reconcile(key) : DONE
      },
    }
    return { name: 'test', workers: 1, needs: [], make: () => reconciler, ...o }
  }
  async outcomes(): Promise<Record<string, number>> {
    const text = (await Array.fromAsync(this.metrics.render())).join('')
    const lines = text.matchAll(/^portico_controller_reconciles_total\{controller="test",outcome="(\w+)"\} (\d+)/gm)
    return Object.fromEntries([...lines].map(([, outcome, count]) => [outcome, Number(count)]))
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.life[Symbol.asyncDispose]()
  }
}
async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await nextTurn()
}
class FakeInformer {
  readonly #synced = new Deferred()
  starts = 0
  get synced(): Promise<void> {
    return this.#synced.promise
  }
  start(): void {
    this.starts++
  }
  sync(): void {
    this.#synced.resolve()
  }
}
/** Gives and takes the Lease as the test says. */
class Election {
  #term: AbortController | undefined
  #lead: ((term: AbortSignal) => Promise<void>) | undefined
  leading: Promise<void> | undefined
  readonly elect: Elect = async (_lease, lead, signal) => {
    this.#lead = lead
    await untilAborted(signal)
    this.#term?.abort()
    await this.leading
  }
  gain(): void {
    this.#term = new AbortController()
    this.leading = this.#lead!(this.#term.signal)
  }
  async lose(): Promise<void> {
    this.#term!.abort()
    await this.leading
  }
}

test('manager: work begins when the informers are synced and the rest is there', async () => {
  await using t = new Rig()
  const [one, two] = [new FakeInformer(), new FakeInformer()]
  const rest = new Deferred()
  const controller = t.manager.add(t.spec({ needs: [one, two], after: [rest.promise] }))
  controller.queue.add('a')
  await settled()
  assert.deepEqual([one.starts, two.starts], [0, 0])
  t.manager.start(controller)
  one.sync()
  rest.resolve()
  await settled()
  assert.deepEqual([one.starts, two.starts, t.worked], [1, 1, []])
  two.sync()
  await settled()
  assert.deepEqual(t.worked, ['a'])
})
test('manager: a controller whose informers never sync ends with the process', async () => {
  const t = new Rig()
  t.manager.start(t.manager.add(t.spec({ needs: [new FakeInformer()] })))
  await t[Symbol.asyncDispose]()
})
test('manager: the process waits for the keys in work, and takes no new ones', async () => {
  const t = new Rig()
  const finish = new Deferred()
  const controller = t.manager.add(t.spec({}, () => finish.promise.then(() => DONE)))
  t.manager.start(controller)
  controller.queue.add('a')
  controller.queue.add('b')
  await settled()
  let ended = false
  const ending = t[Symbol.asyncDispose]().then(() => {
    ended = true
  })
  await settled()
  assert.equal(ended, false)
  finish.resolve()
  await ending
  assert.deepEqual([t.worked, controller.queue.add('c')], [['a'], false])
})
test('manager: outcomes are counted; what throws, now or later, is tried again and holds up no other key', async () => {
  await using t = new Rig()
  const controller = t.manager.add(
    t.spec({}, (key) => {
      if (key === 'throws') throw new Error('at once')
      if (key === 'rejects') return Promise.reject(new Error('later'))
      if (key === 'hopeless') return Promise.reject(new TerminalError('for good'))
      return Promise.resolve(key === 'again' ? { kind: 'requeue', afterMs: 1000 } : DONE)
    }),
  )
  t.manager.start(controller)
  for (const key of ['throws', 'rejects', 'hopeless', 'again', 'done']) controller.queue.add(key)
  await settled()
  assert.deepEqual(await t.outcomes(), { done: 1, requeued: 1, failed: 3 })
  t.clock.advance(5)
  await settled()
  assert.deepEqual(await t.outcomes(), { done: 1, requeued: 1, failed: 5 })
  assert.deepEqual(t.worked.slice(5).toSorted(), ['rejects', 'throws'])
})
test('manager: a controller with a Lease works while it is held, and begins each term with what it knows', async () => {
  await using t = new Rig()
  const election = new Election()
  const spec = t.spec({ leader: 'the-lease' })
  const controller = t.manager.add({
    ...spec,
    make: (queue) => Object.assign(spec.make(queue), { termBegins: () => void queue.add('known') }),
  })
  t.manager.startLed('another-lease', () => Promise.reject(new Error('nothing to lead')))
  t.manager.startLed('the-lease', election.elect)
  assert.equal(controller.queue.add('missed'), false)
  await settled()
  assert.deepEqual(t.worked, [])
  election.gain()
  await settled()
  controller.queue.add('a')
  await settled()
  assert.deepEqual(t.worked, ['known', 'a'])
  await election.lose()
  assert.equal(controller.queue.add('missed'), false)
  election.gain()
  await settled()
  assert.deepEqual(t.worked, ['known', 'a', 'known'])
})
test('manager: an election that breaks takes nothing else with it', async () => {
  await using t = new Rig()
  t.manager.add(t.spec({ name: 'led', leader: 'l' }))
  t.manager.startLed('l', () => Promise.reject(new Error('no leases here')))
  const controller = t.manager.add(t.spec())
  t.manager.start(controller)
  controller.queue.add('a')
  await settled()
  assert.deepEqual(t.worked, ['a'])
})
test('manager: what is switched off does not run, what the server cannot do without does', async () => {
  await using t = new Rig('on')
  const started = ['on', 'off', 'essential'].map((name) =>
    t.manager.add(
      t.spec({
        name,
        isEssential: name === 'essential',
        make: () => ({ reconcile: async () => (t.worked.push(name), DONE) }),
      }),
    ),
  )
  t.manager.start(...started)
  const taken = started.map(({ queue }) => queue.add('key'))
  assert.deepEqual(taken, [true, false, true], 'shared informers wake its handlers all the same')
  await settled()
  assert.deepEqual(t.worked, ['on', 'essential'])
  t.manager.reserve('elsewhere')
  assert.deepEqual(t.manager.switchable, ['elsewhere', 'off', 'on'])
  assert.throws(() => t.manager.add(t.spec({ name: 'on' })), /two controllers of the name on/)
})
