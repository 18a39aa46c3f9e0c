import { options } from './option.ts'

export const AUTHENTICATION = options('Authentication', {
  'client-ca-file': ['text', '', 'PEM bundle of CAs of client certificates, besides the own one in the data folder.'],
  'token-auth-file': ['text', '', 'CSV file: token,user,uid,"group1,group2".'],
  'anonymous-auth': ['flag', 'true', 'Requests without credentials are of user system:anonymous.'],
  'requestheader-client-ca-file': [
    'text',
    '',
    'PEM bundle of CAs of front proxies whose identity headers are believed.',
  ],
  'requestheader-allowed-names': ['list', '', 'Common names of front proxies; none: any of that CA.'],
  'requestheader-username-headers': ['list', 'X-Remote-User', 'Headers to look for the user name in.'],
  'requestheader-uid-headers': ['list', 'X-Remote-Uid', 'Headers to look for the user uid in.'],
  'requestheader-group-headers': ['list', 'X-Remote-Group', 'Headers to look for groups in.'],
  'requestheader-extra-headers-prefix': ['list', 'X-Remote-Extra-', 'Prefixes of headers that carry extra values.'],
  'authentication-kubeconfig': [
    'text',
    '',
    'Kubeconfig of another API server that is asked about bearer tokens, with TokenReviews.',
  ],
  'authentication-token-webhook-config-file': [
    'text',
    '',
    'Kubeconfig whose server URL is a webhook that is asked about bearer tokens.',
  ],
  'authentication-token-webhook-version': [
    'text',
    'v1beta1',
    'Version of the TokenReviews that the webhook gets: v1 or v1beta1.',
  ],
  'authentication-token-webhook-cache-ttl': [
    'duration',
    '2m0s',
    'How long answers about tokens are remembered; 0: not at all. Not given with --authentication-kubeconfig: 10s.',
  ],
})
