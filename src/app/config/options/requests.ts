import { options } from './option.ts'

export const REQUESTS = options('Requests', {
  'request-timeout': ['duration', '1m0s', 'How long a request that is not long-running may take.'],
  'min-request-timeout': ['int', '1800', 'Seconds that a watch lasts at least, where the client names none.'],
})
