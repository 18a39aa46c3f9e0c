import { options } from './option.ts'

export const STORAGE = options('Storage', {
  'storage-backend': [
    'text',
    '',
    'embedded, etcd (also spelled etcd3) or memory; etcd when --etcd-servers is given, else embedded.',
  ],
  'etcd-servers': ['list', '', 'Addresses of etcd members, comma separated.'],
  'etcd-prefix': ['text', '/registry', 'What all keys begin with.'],
  'etcd-cafile': ['text', '', 'PEM CA of the etcd members.'],
  'etcd-certfile': ['text', '', 'PEM client certificate for etcd.'],
  'etcd-keyfile': ['text', '', 'PEM key of --etcd-certfile.'],
  'etcd-compaction-interval': ['duration', '5m0s', 'How often history is compacted; 0 turns it off.'],
  'storage-initialization-timeout': ['duration', '1m0s', 'How long to wait for the storage at start.'],
  'event-ttl': ['duration', '1h0m0s', 'How long events are kept.'],
})
