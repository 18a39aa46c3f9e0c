import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../../lib/fake-clock.ts'
import { PassiveSignals } from './passive-signals.ts'

/** One letter per request, 300 ms apart: `+` succeeded, `-` failed. */
const rows: readonly { name: string; requests: string; degraded: boolean; looks: string }[] = [
  { name: 'nothing to look at while all is well', requests: '+++', degraded: false, looks: '...' },
  {
    name: 'the first failure at once, more of them once a second',
    requests: '------',
    degraded: true,
    looks: '!...!.',
  },
  { name: 'four failures are too few', requests: '----', degraded: false, looks: '!...' },
  { name: 'a success between', requests: '---+---', degraded: false, looks: '!...!..' },
  { name: 'the end of a degradation is news', requests: '------++', degraded: false, looks: '!...!.!.' },
  { name: 'every second failing', requests: '-+-+-+-+-+', degraded: false, looks: '!...!...!.' },
]
for (const { name, requests, degraded, looks } of rows) {
  test(`passive signals: ${name}`, () => {
    const clock = new FakeClock()
    const signals = new PassiveSignals(clock)
    let seen = ''
    for (const letter of requests) {
      seen += signals.observed('a', letter === '+', 'status') ? '!' : '.'
      clock.advance(300)
    }
    assert.equal(seen, looks)
    assert.equal(signals.degradation('a') !== undefined, degraded)
    assert.equal(signals.suspects('a'), requests.endsWith('-'))
    signals.forget('a')
    assert.equal(signals.size, 0)
  })
}

test('passive signals: a burst is no degradation yet', () => {
  const signals = new PassiveSignals(new FakeClock())
  for (let i = 0; i < 100; i++) signals.observed('a', false, 'connect')
  assert.equal(signals.degradation('a'), undefined)
})
