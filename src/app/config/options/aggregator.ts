import { options } from './option.ts'

export const AGGREGATOR = options('Aggregator', {
  'proxy-client-cert-file': ['text', '', 'PEM certificate shown to backends; made in the data folder when absent.'],
  'proxy-client-key-file': ['text', '', 'PEM key of --proxy-client-cert-file.'],
  'enable-aggregator-routing': ['flag', 'false', 'Send requests to endpoint addresses instead of the cluster IP.'],
  'backends-config': [
    'text',
    '',
    'File or folder with APIServices and BackendPolicies that hold beside the stored ones, read again when it changes.',
  ],
  'allow-link-local-backends': [
    'flag',
    'false',
    "Let backends have link-local addresses, such as that of a machine's metadata service.",
  ],
  'backend-drain-duration': ['duration', '30s', 'Over which the watches of a backend endpoint that goes are ended.'],
  'aggregator-reject-forwarding-redirect': ['flag', 'true', 'Refuse redirects of backends.'],
  'apiservice-status-interval': [
    'duration',
    '10s',
    'Least time between two writes of the conditions of one APIService; the first verdict is written at once.',
  ],
  'watchlist-bookmark-timeout': [
    'duration',
    '4s',
    'How long a backend may send nothing, or hardly anything, while a client waits for the end of the initial events of a watch; then clients are told to list instead. 0 turns this off.',
  ],
  'identity-probe-interval': [
    'duration',
    '10m0s',
    'How often each backend is asked with forged identity headers and without the front-proxy certificate, for the condition AuthBypassable; 0 turns this off.',
  ],
  'readyz-apiservices': [
    'list',
    '',
    'Names of APIServices whose backends this process must reach to be ready; others have a check of their own at /readyz/apiservices/<name>.',
  ],
})
