import { cardNumbers, ibans, routingNumbers, socialSecurityNumbers } from './numbers.ts'
import * as tokens from './tokens.ts'
import type { Range } from './view.ts'

/** The date of the rules: raised with every change to what they find. */
export const RULES_VERSION = '2026-11-21'

export type Rule = {
  name: string
  description: string
  /** What it finds in a text that has been decoded and folded, in time that grows with its length. */
  find: (text: string) => Range[]
}

const rule = (name: string, description: string, find: Rule['find']): Rule => ({ name, description, find })

/** In their order: the first that finds something names a refusal. */
export const RULES: readonly Rule[] = [
  rule('credit_card', 'Payment card numbers: brand, length and Luhn check digit', cardNumbers),
  rule(
    'us_ssn',
    'US social security numbers that can have been issued; unbroken where they are named, or all that a letter says',
    socialSecurityNumbers,
  ),
  rule('iban', 'IBANs: country, length, structure and the check modulo 97', ibans),
  rule(
    'aba_routing',
    'Routing numbers of US banks: district and checksum, where they are named',
    routingNumbers,
  ),
  rule('private_key', 'Private keys in PEM or OpenPGP armour', tokens.privateKeys),
  rule('aws_access_key', 'AWS access key ids', tokens.awsAccessKeys),
  rule('aws_secret_key', 'AWS secret access keys, where they are named', tokens.awsSecretKeys),
  rule('github_token', 'GitHub tokens, by their checksum where the format has one', tokens.githubTokens),
  rule('gitlab_token', 'GitLab tokens', tokens.gitlabTokens),
  rule('slack_token', 'Slack tokens and incoming webhooks', tokens.slackTokens),
  rule('stripe_secret_key', 'Stripe secret and restricted keys', tokens.stripeSecretKeys),
  rule('google_api_key', 'Google API keys and OAuth client secrets', tokens.googleApiKeys),
  rule('gcp_service_account', 'Key files of Google Cloud service accounts', tokens.gcpServiceAccounts),
  rule('azure_key', 'Azure storage and bus keys, and client secrets', tokens.azureKeys),
  rule('openai_api_key', 'OpenAI keys', tokens.openaiApiKeys),
  rule('anthropic_api_key', 'Anthropic keys', tokens.anthropicApiKeys),
  rule('huggingface_token', 'Hugging Face tokens', tokens.huggingfaceTokens),
  rule('sendgrid_api_key', 'SendGrid keys', tokens.sendgridApiKeys),
  rule('twilio_key', 'Twilio keys, and its auth tokens where they are named', tokens.twilioKeys),
  rule('npm_token', 'npm tokens, by their checksum', tokens.npmTokens),
  rule('pypi_token', 'PyPI tokens', tokens.pypiTokens),
  rule('digitalocean_token', 'DigitalOcean tokens', tokens.digitaloceanTokens),
  rule('database_url', 'Addresses of databases that hold a password', tokens.databaseUrls),
  rule('jwt', 'JSON Web Tokens with a signature', tokens.jwts),
  rule('mailmolt_api_key', 'Keys and SMTP passwords of this service', tokens.mailmoltKeys),
  rule('moltbotden_api_key', 'MoltbotDen keys', tokens.moltbotdenKeys),
]

export const RULE_NAMES: readonly string[] = RULES.map(({ name }) => name)
