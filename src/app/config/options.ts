/**
 * The one table of options: flags, environment, config file, help and the Config's type come from it.
 * Names are kube-apiserver's where it has one.
 */
import { parseDuration } from '../../lib/duration.ts'
import { ConfigurationError } from './configuration-error.ts'

export type OptionKind = 'text' | 'list' | 'flag' | 'int' | 'port' | 'duration'
interface ValueOf {
  text: string
  list: readonly string[]
  flag: boolean
  int: number
  port: number
  /** Milliseconds. */
  duration: number
}
export interface Option<K extends OptionKind = OptionKind> {
  readonly kind: K
  /** As on the command line. */
  readonly default: string
  readonly help: string
  readonly group: string
}
const option = <K extends OptionKind>(group: string, kind: K, def: string, help: string): Option<K> => ({
  kind,
  default: def,
  help,
  group,
})

const SERVING = 'Serving'
const STORAGE = 'Storage'
const AUTHN = 'Authentication'
const AUTHZ = 'Authorization'
const AGGREGATOR = 'Aggregator'
const FRONTED = 'Fronted servers'
const REQUESTS = 'Requests'
const SHUTDOWN = 'Shutdown'
const OBSERVABILITY = 'Observability'
const MISC = 'General'

export const OPTIONS = {
  config: option(
    MISC,
    'text',
    '',
    'YAML file with more options (kind PorticoConfiguration); flags and environment win over it.',
  ),
  'data-dir': option(MISC, 'text', '.portico', 'Folder of certificates, the kubeconfig and the embedded storage.'),
  controllers: option(
    MISC,
    'list',
    '*',
    'Controllers to run: * for all, name or +name for one, -name for all but that one. A name that is none is answered with all there are.',
  ),
  'bind-address': option(SERVING, 'text', '0.0.0.0', 'Address of the TLS listener.'),
  'secure-port': option(SERVING, 'port', '6443', 'Port of the TLS listener; 0 takes any free one.'),
  'advertise-address': option(
    SERVING,
    'text',
    '',
    'Address that clients are told; the bind address, or 127.0.0.1 where that is any.',
  ),
  'external-hostname': option(SERVING, 'text', '', 'Host name that the serving certificate also carries.'),
  'tls-cert-file': option(
    SERVING,
    'text',
    '',
    'PEM serving certificate and its chain; made in the data folder when absent.',
  ),
  'tls-private-key-file': option(SERVING, 'text', '', 'PEM key of --tls-cert-file.'),
  'tls-cipher-suites': option(
    SERVING,
    'list',
    '',
    "Cipher suites of TLS 1.2, by their names in Go and IANA's list; none: those of Node. Those of TLS 1.3 cannot be chosen.",
  ),
  'cert-dir': option(
    SERVING,
    'text',
    '',
    'Folder whose apiserver.crt and apiserver.key are the serving pair, where both are there and --tls-cert-file is not given.',
  ),
  'disable-http2-serving': option(SERVING, 'flag', 'false', 'Serve HTTP/1.1 alone on the TLS listener.'),
  'tls-min-version': option(SERVING, 'text', 'VersionTLS12', 'VersionTLS12 or VersionTLS13.'),
  'insecure-bind-address': option(SERVING, 'text', '127.0.0.1', 'Address of the plain HTTP listener.'),
  'insecure-port': option(
    SERVING,
    'port',
    '0',
    'Port of the plain HTTP listener, whose every caller is system:masters; 0 turns it off.',
  ),
  'http2-max-streams-per-connection': option(SERVING, 'int', '250', 'HTTP/2 streams open at once per connection.'),
  'max-handshakes-per-address': option(
    SERVING,
    'int',
    '1000',
    'Connections of one address, or one IPv6 /64, whose TLS handshake is not done; more are closed at once.',
  ),
  'cors-allowed-origins': option(
    SERVING,
    'list',
    '',
    'Regular expressions of origins that browsers may call from; each pins the start and end of the host.',
  ),
  'strict-transport-security-directives': option(
    SERVING,
    'list',
    '',
    'Directives of the Strict-Transport-Security header; none: no header.',
  ),
  'goaway-chance': option(
    SERVING,
    'text',
    '0',
    'Probability, 0 to 0.02, that an HTTP/2 request makes its connection reconnect.',
  ),
  'storage-backend': option(
    STORAGE,
    'text',
    '',
    'embedded, etcd (also spelled etcd3) or memory; etcd when --etcd-servers is given, else embedded.',
  ),
  'etcd-servers': option(STORAGE, 'list', '', 'Addresses of etcd members, comma separated.'),
  'etcd-prefix': option(STORAGE, 'text', '/registry', 'What all keys begin with.'),
  'etcd-cafile': option(STORAGE, 'text', '', 'PEM CA of the etcd members.'),
  'etcd-certfile': option(STORAGE, 'text', '', 'PEM client certificate for etcd.'),
  'etcd-keyfile': option(STORAGE, 'text', '', 'PEM key of --etcd-certfile.'),
  'etcd-compaction-interval': option(STORAGE, 'duration', '5m0s', 'How often history is compacted; 0 turns it off.'),
  'storage-initialization-timeout': option(STORAGE, 'duration', '1m0s', 'How long to wait for the storage at start.'),
  'event-ttl': option(STORAGE, 'duration', '1h0m0s', 'How long events are kept.'),
  'client-ca-file': option(
    AUTHN,
    'text',
    '',
    'PEM bundle of CAs of client certificates, besides the own one in the data folder.',
  ),
  'token-auth-file': option(AUTHN, 'text', '', 'CSV file: token,user,uid,"group1,group2".'),
  'anonymous-auth': option(AUTHN, 'flag', 'true', 'Requests without credentials are of user system:anonymous.'),
  'requestheader-client-ca-file': option(
    AUTHN,
    'text',
    '',
    'PEM bundle of CAs of front proxies whose identity headers are believed.',
  ),
  'requestheader-allowed-names': option(AUTHN, 'list', '', 'Common names of front proxies; none: any of that CA.'),
  'requestheader-username-headers': option(AUTHN, 'list', 'X-Remote-User', 'Headers to look for the user name in.'),
  'requestheader-uid-headers': option(AUTHN, 'list', 'X-Remote-Uid', 'Headers to look for the user uid in.'),
  'requestheader-group-headers': option(AUTHN, 'list', 'X-Remote-Group', 'Headers to look for groups in.'),
  'requestheader-extra-headers-prefix': option(
    AUTHN,
    'list',
    'X-Remote-Extra-',
    'Prefixes of headers that carry extra values.',
  ),
  'authentication-kubeconfig': option(
    AUTHN,
    'text',
    '',
    'Kubeconfig of another API server that is asked about bearer tokens, with TokenReviews.',
  ),
  'authentication-token-webhook-config-file': option(
    AUTHN,
    'text',
    '',
    'Kubeconfig whose server URL is a webhook that is asked about bearer tokens.',
  ),
  'authentication-token-webhook-version': option(
    AUTHN,
    'text',
    'v1beta1',
    'Version of the TokenReviews that the webhook gets: v1 or v1beta1.',
  ),
  'authentication-token-webhook-cache-ttl': option(
    AUTHN,
    'duration',
    '2m0s',
    'How long answers about tokens are remembered; 0: not at all. Not given with --authentication-kubeconfig: 10s.',
  ),
  'authorization-mode': option(
    AUTHZ,
    'list',
    '',
    'AlwaysAllow, AlwaysDeny, Webhook, asked in that order; none: a short fixed list of rules, which also stands in for RBAC until there are roles; Node permits nothing. system:masters may do all.',
  ),
  'authorization-kubeconfig': option(
    AUTHZ,
    'text',
    '',
    'Kubeconfig of another API server that is asked what callers may do, with SubjectAccessReviews: mode Webhook, or after the fixed rules.',
  ),
  'authorization-webhook-config-file': option(
    AUTHZ,
    'text',
    '',
    'Kubeconfig whose server URL is a webhook that is asked what callers may do; needs mode Webhook.',
  ),
  'authorization-webhook-version': option(
    AUTHZ,
    'text',
    'v1beta1',
    'Version of the SubjectAccessReviews that the webhook gets: v1 or v1beta1.',
  ),
  'authorization-webhook-cache-authorized-ttl': option(
    AUTHZ,
    'duration',
    '5m0s',
    'How long permissions are remembered; 0: not at all. Not given with --authorization-kubeconfig: 10s.',
  ),
  'authorization-webhook-cache-unauthorized-ttl': option(
    AUTHZ,
    'duration',
    '30s',
    'How long refusals are remembered; 0: not at all. Not given with --authorization-kubeconfig: 10s.',
  ),
  'proxy-client-cert-file': option(
    AGGREGATOR,
    'text',
    '',
    'PEM certificate shown to backends; made in the data folder when absent.',
  ),
  'proxy-client-key-file': option(AGGREGATOR, 'text', '', 'PEM key of --proxy-client-cert-file.'),
  'enable-aggregator-routing': option(
    AGGREGATOR,
    'flag',
    'false',
    'Send requests to endpoint addresses instead of the cluster IP.',
  ),
  'backends-config': option(
    AGGREGATOR,
    'text',
    '',
    'File or folder with APIServices and BackendPolicies that hold beside the stored ones, read again when it changes.',
  ),
  'allow-link-local-backends': option(
    AGGREGATOR,
    'flag',
    'false',
    "Let backends have link-local addresses, such as that of a machine's metadata service.",
  ),
  'backend-drain-duration': option(
    AGGREGATOR,
    'duration',
    '30s',
    'Over which the watches of a backend endpoint that goes are ended.',
  ),
  'aggregator-reject-forwarding-redirect': option(AGGREGATOR, 'flag', 'true', 'Refuse redirects of backends.'),
  'apiservice-status-interval': option(
    AGGREGATOR,
    'duration',
    '10s',
    'Least time between two writes of the conditions of one APIService; the first verdict is written at once.',
  ),
  'watchlist-bookmark-timeout': option(
    AGGREGATOR,
    'duration',
    '4s',
    'How long a backend may send nothing, or hardly anything, while a client waits for the end of the initial events of a watch; then clients are told to list instead. 0 turns this off.',
  ),
  'identity-probe-interval': option(
    AGGREGATOR,
    'duration',
    '10m0s',
    'How often each backend is asked with forged identity headers and without the front-proxy certificate, for the condition AuthBypassable; 0 turns this off.',
  ),
  'readyz-apiservices': option(
    AGGREGATOR,
    'list',
    '',
    'Names of APIServices whose backends this process must reach to be ready; others have a check of their own at /readyz/apiservices/<name>.',
  ),
  'core-delegate-kubeconfig': option(
    FRONTED,
    'text',
    '',
    'Kubeconfig of a kube-apiserver that serves everything nobody else claims, in place of the core server in this process.',
  ),
  'core-delegate-identity': option(
    FRONTED,
    'text',
    'requestheader',
    'How that server learns who calls: requestheader (our front-proxy certificate), impersonate (the credentials of the kubeconfig) or passthrough (bearer tokens only).',
  ),
  'request-timeout': option(REQUESTS, 'duration', '1m0s', 'How long a request that is not long-running may take.'),
  'min-request-timeout': option(
    REQUESTS,
    'int',
    '1800',
    'Seconds that a watch lasts at least, where the client names none.',
  ),
  'shutdown-delay-duration': option(
    SHUTDOWN,
    'duration',
    '0s',
    'How long the server goes on after it said that it is not ready any more.',
  ),
  'shutdown-watch-termination-grace-period': option(
    SHUTDOWN,
    'duration',
    '2s',
    'Over how long the ends of watches are spread.',
  ),
  'livez-grace-period': option(
    SHUTDOWN,
    'duration',
    '0s',
    'How long after the start livez overlooks what is not finished.',
  ),
  'tracing-config-file': option(
    OBSERVABILITY,
    'text',
    '',
    'YAML TracingConfiguration: OTLP endpoint and sampling rate.',
  ),
  'tracing-endpoint': option(
    OBSERVABILITY,
    'text',
    '',
    'OTLP/HTTP endpoint such as http://127.0.0.1:4318; samples everything.',
  ),
  v: option(OBSERVABILITY, 'int', '0', 'Verbosity of logs: 2 for changes, 3 for requests, 4 for each step.'),
} as const satisfies Record<string, Option>

export type OptionName = keyof typeof OPTIONS
export type OptionValues = { readonly [N in OptionName]: ValueOf[(typeof OPTIONS)[N]['kind']] }

const PARSE: { [K in OptionKind]: (text: string) => ValueOf[K] } = {
  text: (t) => t,
  list: (t) =>
    t
      .split(',')
      .map((s) => s.trim())
      .filter((s) => s !== ''),
  flag: (t) => {
    if (/^(true|1|)$/i.test(t)) return true
    if (/^(false|0)$/i.test(t)) return false
    throw new RangeError('must be true or false')
  },
  int: (t) => {
    if (!/^-?\d+$/.test(t)) throw new RangeError('must be a whole number')
    return Number(t)
  },
  port: (t) => {
    if (!/^\d+$/.test(t) || Number(t) > 65535) throw new RangeError('must be a port, 0 to 65535')
    return Number(t)
  },
  duration: (t) => {
    const ms = parseDuration(t)
    if (ms < 0) throw new RangeError('can not be a negative value')
    return ms
  },
}

/** @throws ConfigurationError naming the option and where its value came from. */
export function parseOption<N extends OptionName>(name: N, text: string, origin: string): OptionValues[N] {
  try {
    const parse: (t: string) => unknown = PARSE[OPTIONS[name].kind]
    return parse(text) as OptionValues[N]
  } catch (e) {
    throw new ConfigurationError(`${origin}: ${JSON.stringify(text)}: ${(e as Error).message}`)
  }
}

export function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name)
}
/** `PORTICO_SECURE_PORT` for `secure-port`. */
export function environmentName(name: string): string {
  return `PORTICO_${name.toUpperCase().replaceAll('-', '_')}`
}
