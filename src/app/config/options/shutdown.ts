import { options } from './option.ts'

export const SHUTDOWN = options('Shutdown', {
  'shutdown-delay-duration': [
    'duration',
    '0s',
    'How long the server goes on after it said that it is not ready any more.',
  ],
  'shutdown-watch-termination-grace-period': ['duration', '2s', 'Over how long the ends of watches are spread.'],
  'livez-grace-period': ['duration', '0s', 'How long after the start livez overlooks what is not finished.'],
})
