ALTER TABLE `webhooks` ADD `replaced_secrets` text DEFAULT '[]' NOT NULL;
--> statement-breakpoint
UPDATE `webhooks` SET `replaced_secrets` = json_array(json_object('secret', `previous_secret`, 'until', `previous_until`))
WHERE `previous_secret` IS NOT NULL;
--> statement-breakpoint
ALTER TABLE `webhooks` DROP COLUMN `previous_secret`;
--> statement-breakpoint
ALTER TABLE `webhooks` DROP COLUMN `previous_until`;
