import { options } from './option.ts'

export const SERVING = options('Serving', {
  'bind-address': ['text', '0.0.0.0', 'Address of the TLS listener.'],
  'secure-port': ['port', '6443', 'Port of the TLS listener; 0 takes any free one.'],
  'advertise-address': ['text', '', 'Address that clients are told; the bind address, or 127.0.0.1 where that is any.'],
  'external-hostname': ['text', '', 'Host name that the serving certificate also carries.'],
  'tls-cert-file': ['text', '', 'PEM serving certificate and its chain; made in the data folder when absent.'],
  'tls-private-key-file': ['text', '', 'PEM key of --tls-cert-file.'],
  'tls-cipher-suites': [
    'list',
    '',
    "Cipher suites of TLS 1.2, by their names in Go and IANA's list; none: those of Node. Those of TLS 1.3 cannot be chosen.",
  ],
  'cert-dir': [
    'text',
    '',
    'Folder whose apiserver.crt and apiserver.key are the serving pair, where both are there and --tls-cert-file is not given.',
  ],
  'disable-http2-serving': ['flag', 'false', 'Serve HTTP/1.1 alone on the TLS listener.'],
  'tls-min-version': ['text', 'VersionTLS12', 'VersionTLS12 or VersionTLS13.'],
  'insecure-bind-address': ['text', '127.0.0.1', 'Address of the plain HTTP listener.'],
  'insecure-port': [
    'port',
    '0',
    'Port of the plain HTTP listener, whose every caller is system:masters; 0 turns it off.',
  ],
  'http2-max-streams-per-connection': ['int', '250', 'HTTP/2 streams open at once per connection.'],
  'max-handshakes-per-address': [
    'int',
    '1000',
    'Connections of one address, or one IPv6 /64, whose TLS handshake is not done; more are closed at once.',
  ],
  'cors-allowed-origins': [
    'list',
    '',
    'Regular expressions of origins that browsers may call from; each pins the start and end of the host.',
  ],
  'strict-transport-security-directives': [
    'list',
    '',
    'Directives of the Strict-Transport-Security header; none: no header.',
  ],
  'goaway-chance': ['text', '0', 'Probability, 0 to 0.02, that an HTTP/2 request makes its connection reconnect.'],
})
