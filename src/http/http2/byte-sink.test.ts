import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteSink } from './byte-sink.ts'

const frame = (i: number): Buffer => Buffer.alloc(8_201, i)
function put(sink: ByteSink, bytes: Buffer): void {
  sink.reserve(bytes.length)
  sink.bytes(bytes)
}

test('many frames of one turn are not copied again for each of them', (t) => {
  const allocate = t.mock.method(Buffer, 'allocUnsafeSlow')
  const sink = new ByteSink()
  const frames = Array.from({ length: 16 }, (_, i) => frame(i))
  for (const one of frames) put(sink, one)
  const allocated = allocate.mock.calls.reduce((sum, call) => sum + call.arguments[0], 0)
  const all = Buffer.concat(frames)
  assert.ok(allocated < 4 * all.length, `${allocated} bytes for ${all.length}`)
  assert.deepEqual(sink.take(), all)
})

test('what was taken is never written again, and the memory of a large turn is not kept', () => {
  const sink = new ByteSink()
  put(sink, frame(1))
  put(sink, frame(2))
  const large = sink.take()
  const before = Buffer.from(large)
  const small: Buffer[] = []
  for (let i = 3; i < 6; i++) {
    put(sink, Buffer.alloc(100, i))
    small.push(sink.take())
  }
  assert.deepEqual(large, before)
  assert.deepEqual(small, [Buffer.alloc(100, 3), Buffer.alloc(100, 4), Buffer.alloc(100, 5)])
  assert.ok(small[0]!.buffer.byteLength <= 16_384)
  assert.equal(small[0]!.buffer, small[2]!.buffer, 'small turns share a slab')
})
