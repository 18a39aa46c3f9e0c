import { FakeClock } from '../../src/lib/fake-clock.ts'
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts'
import { storageSuite } from '../suites/storage-suite.ts'

storageSuite('memory storage', async () => {
  const clock = new FakeClock()
  const storage = new MemoryStorage({ clock })
  return {
    storage,
    prefix: '/registry/',
    pass: (ms) => clock.advance(ms),
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
  }
})
