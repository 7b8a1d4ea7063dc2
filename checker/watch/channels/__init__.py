"""The channels: how a message becomes an embed, a mail or another service's notice, and gets there."""
