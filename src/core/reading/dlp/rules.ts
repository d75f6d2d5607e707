import { cardNumbers, ibans, routingNumbers, socialSecurityNumbers } from './numbers.ts'
import * as tokens from './tokens.ts'
import type { Range } from './view.ts'

/** The date of the rules. Raise it with every change to what they find. */
export const RULES_VERSION = '2026-11-21'

type Rule = {
  name: string
  description: string
  /** Finds the ranges in a decoded and folded text, in linear time. */
  find: (text: string) => Range[]
}

const rule = (name: string, description: string, find: Rule['find']): Rule => ({ name, description, find })

/** In order: a refusal names the first rule that finds something. */
export const RULES: readonly Rule[] = [
  rule('credit_card', 'Payment card numbers: brand, length and Luhn check digit', cardNumbers),
  rule(
    'us_ssn',
    'US social security numbers that can have been issued; without separators only near a word such as "SSN", or as the whole text',
    socialSecurityNumbers,
  ),
  rule('iban', 'IBANs: country, length, structure and the check modulo 97', ibans),
  rule(
    'aba_routing',
    'Routing numbers of US banks: district and checksum; without hyphens only near a word that names them',
    routingNumbers,
  ),
  rule('private_key', 'Private keys in PEM or OpenPGP armour', tokens.privateKeys),
  rule('aws_access_key', 'AWS access key ids', tokens.awsAccessKeys),
  rule('aws_secret_key', 'AWS secret access keys, after a word that names them', tokens.awsSecretKeys),
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
  rule('twilio_key', 'Twilio keys, and Twilio auth tokens near a word that names them', tokens.twilioKeys),
  rule('npm_token', 'npm tokens, by their checksum', tokens.npmTokens),
  rule('pypi_token', 'PyPI tokens', tokens.pypiTokens),
  rule('digitalocean_token', 'DigitalOcean tokens', tokens.digitaloceanTokens),
  rule('database_url', 'Database URLs that contain a password', tokens.databaseUrls),
  rule('jwt', 'JSON Web Tokens with a signature', tokens.jwts),
  rule('mailmolt_api_key', 'Keys and SMTP passwords of this service', tokens.mailmoltKeys),
  rule('moltbotden_api_key', 'MoltbotDen keys', tokens.moltbotdenKeys),
]

export const RULE_NAMES: readonly string[] = RULES.map(({ name }) => name)
