package notify

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// services is the table of services. The shapes of addresses are those that people know from other programs. Texts are
// cut to what a service takes, and cannot mention people or groups that would then be called.
var services = []*service{
	{
		scheme: "ntfy",
		hosts:  []string{"ntfy.sh"},
		shape:  "ntfy://HOST/TOPIC, ntfy://TOKEN@HOST/TOPIC or ntfy://USER:PASSWORD@HOST/TOPIC",
		query:  []string{"priority", "tags", "token", "tls"},
		code: `{
			url: ($to | server),
			headers: (
				if $to.password != "" then {Authorization: ("Basic " + ("\($to.user):\($to.password)" | @base64))}
				elif $to.user != "" then {Authorization: "Bearer \($to.user)"}
				elif $to.query.token then {Authorization: "Bearer \($to.query.token)"}
				else {} end),
			json: {
				topic: ($to.path | only(1; "the path of the address of ntfy is not a topic") | .[0]
					| if test("^[-_A-Za-z0-9]{1,64}$") then . else
						error("a topic of ntfy has 64 letters, digits, - and _ at most") end),
				title: .summary | cut(250),
				message: (below | if . == "" then "—" else . end | cut(1000)),
				priority: (
					if $to.query.priority then
						$to.query.priority | if test("^[1-5]$") then tonumber else
							error("priority of the address is not a number from 1 to 5") end
					elif .state != "firing" then 3
					else {critical: 5, warning: 4}[.severity] // 3 end),
				tags: (
					($to.query.tags // "" | split(",")) + [
						if .state != "firing" then "white_check_mark"
						else {critical: "rotating_light", warning: "warning"}[.severity] // "information_source" end]
					| map(select(. != ""))),
				click: .link
			} | drop
		}`,
	},
	{
		scheme:  "slack",
		hosts:   []string{"hooks.slack.com"},
		shape:   "slack://hook:A-B-C@webhook or slack://A/B/C for a webhook, slack://xoxb:TOKEN@CHANNEL for a bot",
		also:    partsOfSlack,
		refusal: refusedBySlack,
		code: `
			def hooked: only(3; "the address of slack does not have the three parts of a webhook") | map(@uri) |
				"https://hooks.slack.com/services/" + join("/");
			(lines | cut(4000) | gsub("&"; "&amp;") | gsub("<"; "&lt;") | gsub(">"; "&gt;")) as $text |
			if $to.user == "hook" then {url: ($to.password | split("-") | hooked), json: {$text}}
			elif $to.user == "xoxb" or $to.user == "xoxp" then bare("slack") | {
				url: "https://slack.com/api/chat.postMessage",
				headers: {Authorization: "Bearer \($to.user)-\($to.password)"},
				json: {channel: $to.host, $text}
			}
			elif $to.user == "" then {url: ([$to.host] + $to.path | hooked), json: {$text}}
			else error("the address of slack has neither hook nor xoxb before its token") end`,
	},
	{
		scheme: "discord",
		hosts:  []string{"discord.com", "discordapp.com"},
		shape:  "discord://TOKEN@ID of a webhook",
		query:  []string{"thread_id"},
		code: `bare("discord") | {
			url: ("https://discord.com/api/webhooks/" +
				($to.host | if test("^[0-9]+$") then . else error("the ID after the @ of the address of discord is not a number") end) + "/" +
				($to.user | some("the address of discord has no token before the @") | @uri) +
				if $to.query.thread_id then "?thread_id=\($to.query.thread_id | @uri)" else "" end),
			json: {content: lines | cut(1900), allowed_mentions: {parse: []}}
		}`,
	},
	{
		scheme: "telegram",
		hosts:  []string{"api.telegram.org"},
		shape:  "telegram://TOKEN@telegram?chats=CHAT, where CHAT is a number, @NAME, or CHAT:THREAD",
		query:  []string{"chats", "chat"},
		code: `
			($to.query.chats // $to.query.chat // "" | some("the address of telegram has no chats")) as $chat |
			if $chat | contains(",") then error("the address of telegram has several chats: write an entry for each") else . end |
			($chat | split(":")) as [$id, $thread] |
			if $id | test("^(-?[0-9]+|@[A-Za-z0-9_]+)$") then . else error("the chat of the address of telegram is neither a number nor @NAME") end |
			bare("telegram") | {
				url: ("https://api.telegram.org/bot" +
					("\($to.user):\($to.password)" | if test("^[0-9]+:.") then . else
						error("the address of telegram has no token such as 123456:ABC before the @") end) + "/sendMessage"),
				json: {
					chat_id: $id,
					message_thread_id: ($thread | if . then whole("the thread of the chat is not a number") else . end),
					text: quiet | lines | cut(3900),
					link_preview_options: {is_disabled: true}
				} | drop
			}`,
	},
	{
		scheme:  "teams",
		hosts:   []string{"webhook.office.com", "logic.azure.com", "api.powerplatform.com"},
		shape:   "the address of a workflow with teams:// in place of https://, or teams://GROUP@TENANT/ALT/OWNER/EXTRA?host=HOST",
		query:   []string{"*"},
		refusal: refusedByTeams,
		code: `{
			url: (
				if $to.user == "" and $to.path == [] then error("the address of teams is not that of a workflow or a webhook")
				elif $to.user == "" then "https://\($to.host)\($to.raw)"
				else "https://" + ($to.query.host // "" | some("the address of teams has no host=ORGANIZATION.webhook.office.com")
						| if test("^[a-z0-9.-]+\\.webhook\\.office\\.com$") then . else
							error("the host of the address of teams is not one of webhook.office.com") end) +
					"/webhookb2/\($to.user | @uri)@\($to.host)/IncomingWebhook/" +
					($to.path | if length == 2 or length == 3 then map(@uri) | join("/") else
						error("the address of teams lacks a part") end)
				end),
			json: {type: "message", attachments: [{
				contentType: "application/vnd.microsoft.card.adaptive",
				contentUrl: null,
				content: {
					"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", type: "AdaptiveCard", version: "1.4",
					body: ([{type: "TextBlock", text: .summary | cut(1000), weight: "Bolder", size: "Medium", wrap: true,
							color: (if .state != "firing" then "Good" elif .severity == "critical" then "Attention" else "Warning" end)}] +
						if .text == "" then [] else [{type: "TextBlock", text: .text | cut(4000) | gsub("\n"; "\n\n"), wrap: true}] end),
					actions: (if .link == "" then [] else [{type: "Action.OpenUrl", title: "Tidewire", url: .link}] end)
				}
			}]}
		}`,
	},
	{
		scheme: "gotify",
		shape:  "gotify://HOST/TOKEN",
		query:  []string{"priority", "tls"},
		code: `{
			url: (($to | server) + ($to.path[:-1] | map("/" + @uri) | join("")) + "/message"),
			headers: {"X-Gotify-Key": ($to.path[-1] | some("the address of gotify has no token"))},
			json: {
				title: .summary | cut(250), message: (below | if . == "" then "—" else . end),
				priority: (
					if $to.query.priority then $to.query.priority | whole("priority of the address is not a whole number")
					elif .state != "firing" then 3 else {critical: 8, warning: 5}[.severity] // 3 end)
			}
		}`,
	},
	{
		scheme: "pushover",
		hosts:  []string{"api.pushover.net"},
		shape:  "pushover://TOKEN@USER",
		query:  []string{"devices", "priority", "sound"},
		also:   func(u *url.URL) []string { return []string{u.Host} },
		code: `bare("pushover") | {
			url: "https://api.pushover.net/1/messages.json",
			form: {
				token: ([$to.password, $to.user] | map(select(. != "")) | .[0] | some("the address of pushover has no token before the @")),
				user: $to.host,
				title: .summary | cut(250),
				message: (below | if . == "" then "—" else . end | cut(1024)),
				url: (.link | if length > 512 then "" else . end),
				device: $to.query.devices,
				sound: $to.query.sound,
				priority: (
					if $to.query.priority then $to.query.priority | if test("^(-2|-1|0|1)$") then . else
						error("priority of the address is not -2, -1, 0 or 1") end
					elif .state == "firing" and .severity == "critical" then "1"
					elif .severity == "info" then "-1" else "0" end)
			} | drop
		}`,
	},
	{
		scheme: "mattermost",
		shape:  "mattermost://HOST/TOKEN, mattermost://NAME@HOST/TOKEN/CHANNEL",
		query:  []string{"tls"},
		code: `
			if ($to.path | length) as $n | $n == 1 or $n == 2 then . else error("the path of the address of mattermost is not a token, or a token and a channel") end | {
				url: ($to | server + "/hooks/" + (.path[0] | @uri)),
				json: {text: quiet | lines | cut(4000), username: $to.user, channel: $to.path[1]} | drop
			}`,
	},
	{
		scheme: "rocketchat",
		shape:  "rocketchat://HOST/TOKENA/TOKENB, rocketchat://NAME@HOST/TOKENA/TOKENB/CHANNEL",
		query:  []string{"tls"},
		code: `
			if ($to.path | length) as $n | $n == 2 or $n == 3 then . else error("the path of the address of rocketchat does not have the two parts of a token") end | {
				url: ($to | server + "/hooks/" + (.path[:2] | map(@uri) | join("/"))),
				json: {text: quiet | lines | cut(4000), alias: $to.user, channel: $to.path[2]} | drop
			}`,
	},
	{
		scheme: "matrix",
		shape:  "matrix://TOKEN@HOST/?rooms=!ROOM:SERVER, where TOKEN is an access token",
		query:  []string{"rooms", "room", "tls"},
		code: `
			($to.query.rooms // $to.query.room // $to.path[0] // "" | some("the address of matrix has no room")) as $room |
			if $room | contains(",") then error("the address of matrix has several rooms: write an entry for each")
			elif $room | startswith("!") | not then error("the room of matrix is not an id such as !abc:example.com; an alias does not do")
			elif $to.user != "" and $to.password != "" then error("the address of matrix has a user and a password, not an access token")
			else . end | {
				url: (($to | server) + "/_matrix/client/v3/rooms/\($room | @uri)/send/m.room.message/\(.id | @uri)"),
				method: "PUT",
				headers: {Authorization: "Bearer \($to.user + $to.password | some("the address of matrix has no access token before the @"))"},
				json: {msgtype: "m.text", body: lines | cut(8000), "m.mentions": {}}
			}`,
	},
	{
		scheme: "googlechat",
		hosts:  []string{"chat.googleapis.com"},
		shape:  "the address of a webhook with googlechat:// in place of https://",
		query:  []string{"*"},
		code: `{
			url: (
				if ($to.path | length) == 4 and $to.path[1] == "spaces" and $to.query.key and $to.query.token then
					"https://\($to.host)\($to.raw)"
				else error("the address of googlechat is not that of a webhook: /v1/spaces/SPACE/messages?key=KEY&token=TOKEN") end),
			json: {text: lines | gsub("<users/"; "< users/") | cut(3800)}
		}`,
	},
	{
		scheme: "zulip",
		shape:  "zulip://BOT%40HOST:KEY@HOST/?stream=STREAM&topic=TOPIC",
		query:  []string{"stream", "topic", "tls"},
		code: `bare("zulip") | {
			url: (($to | server) + "/api/v1/messages"),
			headers: {Authorization: ("Basic " + ("\($to.user):\($to.password | some("the address of zulip has no bot and key before the @"))" | @base64))},
			form: {
				type: "stream",
				to: ($to.query.stream // "" | some("the address of zulip has no stream")),
				topic: ($to.query.topic // .group | cut(60)),
				content: lines | gsub("@(?<who>_?\\*)"; "@\u200b\(.who)") | cut(9000)
			}
		}`,
	},
	{
		scheme: "pagerduty",
		hosts:  []string{"events.pagerduty.com", "events.eu.pagerduty.com"},
		shape:  "pagerduty://KEY, or pagerduty://events.eu.pagerduty.com/KEY, where KEY is an integration key of Events API v2",
		also:   hostWithoutPath,
		code: `
			(if $to.path == [] then ["events.pagerduty.com", $to.host]
				else [$to.host, ($to.path | only(1; "the path of the address of pagerduty is not a key") | .[0])] end) as [$host, $key] | {
				url: "https://\($host)/v2/enqueue",
				json: {
					routing_key: $key,
					event_action: (if .state == "resolved" and .firing == 0 then "resolve" else "trigger" end),
					dedup_key: .group | cut(255),
					client: "Tidewire",
					client_url: .link,
					payload: {
						summary: .summary | cut(1024),
						source: .group,
						severity: .severity,
						timestamp: .at,
						component: (if .count == 1 then .alerts[0].title else null end),
						custom_details: ({text, count, firing} | drop)
					} | drop
				} | drop
			}`,
	},
	{
		scheme: "opsgenie",
		hosts:  []string{"api.opsgenie.com", "api.eu.opsgenie.com"},
		shape:  "opsgenie://KEY, opsgenie://api.eu.opsgenie.com/KEY, or opsgenie://api.atlassian.com/KEY for Jira Service Management",
		also:   hostWithoutPath,
		code: `
			(if $to.path == [] then ["api.opsgenie.com", $to.host]
				else [$to.host, ($to.path | only(1; "the path of the address of opsgenie is not a key") | .[0])] end) as [$host, $key] |
			"https://\($host)\(if $host == "api.atlassian.com" then "/jsm/ops/integration" else "" end)/v2/alerts" as $alerts |
			(.group | gsub("/"; ":") | cut(512)) as $alias | # a slash in a path, even if it is escaped, is not for every server
			{headers: {Authorization: "GenieKey \($key)"}} + if .state == "resolved" and .firing == 0 then {
				url: "\($alerts)/\($alias | @uri)/close?identifierType=alias",
				json: {source: "Tidewire", note: .summary | cut(1000)}
			} else {
				url: $alerts,
				json: {
					message: .summary | cut(130), $alias, description: lines | cut(15000), source: "Tidewire",
					priority: {critical: "P1", warning: "P3"}[.severity] // "P5"
				}
			} end`,
	},
}

// refusedByTeams reads the answer of a webhook, which is 200 also if the message went nowhere. A workflow answers 202.
func refusedByTeams(answer []byte) error {
	const failed = "Microsoft Teams endpoint returned HTTP error "
	_, status, found := strings.Cut(string(answer), failed)
	if !found {
		return nil
	}
	status = status[:min(len(status), len("429"))]
	return &refusedError{"refused: " + failed + status, status >= "400" && status < "500" && status != "429"}
}

// hostWithoutPath is the host of an address that has no path: then it is the key.
func hostWithoutPath(u *url.URL) []string {
	if strings.Trim(u.Path, "/") == "" {
		return []string{u.Host}
	}
	return nil
}

// partsOfSlack are those of a webhook, with dashes between them or with slashes.
func partsOfSlack(u *url.URL) []string {
	password, _ := u.User.Password()
	if u.User == nil {
		return []string{u.Host}
	}
	return append(strings.Split(password, "-"), strings.ReplaceAll(password, "-", "/"))
}

// A refusedError is an answer with a status of success that says that it was none.
type refusedError struct {
	text      string
	permanent bool
}

func (e *refusedError) Error() string { return e.text }

// refusedBySlack reads the answer of a bot's call, which is 200 also if it was refused. A webhook answers "ok".
func refusedBySlack(answer []byte) error {
	var said struct {
		OK    *bool
		Error string
	}
	if json.Unmarshal(answer, &said) != nil || said.OK == nil || *said.OK {
		return nil
	}
	passing := []string{"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
	return &refusedError{"refused: " + said.Error, !slices.Contains(passing, said.Error)}
}
