<?php
/**
 * Tells ticket-bridge that a ticket has changed, so that it looks at once instead of at its next poll.
 *
 * To be put into includes/hooks/ of a WHMCS installation. It sends the ticket's number and its client's, signed,
 * and nothing that anybody wrote. It never stops or delays WHMCS for longer than the time below, and an error is
 * only noted in the activity log: the bridge finds everything by polling, too.
 */

if (!defined('WHMCS')) {
    die('This file cannot be accessed directly');
}

use WHMCS\Database\Capsule;

// The bridge's [http] listen address as this server reaches it, and the name of its [[ticket_api]].
// An environment variable of the same name wins, so that this file can stay as it is.
defined('TICKET_BRIDGE_HOOK_URL') || define('TICKET_BRIDGE_HOOK_URL', 'http://127.0.0.1:8787/hooks/whmcs');
// The same word as hook_secret of that [[ticket_api]] in bot.toml.
defined('TICKET_BRIDGE_HOOK_SECRET') || define('TICKET_BRIDGE_HOOK_SECRET', '');
// Whole seconds that a page of WHMCS may wait for the bridge, connecting included.
defined('TICKET_BRIDGE_HOOK_TIMEOUT') || define('TICKET_BRIDGE_HOOK_TIMEOUT', 3);

if (!function_exists('ticket_bridge_setting')) {
    function ticket_bridge_setting($name)
    {
        $value = getenv($name);
        return $value === false || $value === '' ? constant($name) : $value;
    }

    /** The client whose ticket it is, by WHMCS's own table; null for a guest or where that cannot be read. */
    function ticket_bridge_client($ticket)
    {
        try {
            $client = Capsule::table('tbltickets')->where('id', (int) $ticket)->value('userid');
        } catch (\Throwable $error) {
            return null;
        }
        return (int) $client > 0 ? (string) (int) $client : null;
    }

    function ticket_bridge_complain($what)
    {
        if (function_exists('logActivity')) {
            logActivity('ticket-bridge: ' . $what);
        }
    }

    /** Sends one hint. $tickets are the fields that name tickets; $client is a client's id or null. */
    function ticket_bridge_hint($event, array $tickets, $client = null)
    {
        // A bridge that does not answer is asked once: a page waits for it no longer.
        static $failed = false;
        try {
            $url = ticket_bridge_setting('TICKET_BRIDGE_HOOK_URL');
            $secret = ticket_bridge_setting('TICKET_BRIDGE_HOOK_SECRET');
            if ($failed || !$url || !$secret || !function_exists('curl_init')) {
                return;
            }
            $hint = ['event' => $event] + $tickets;
            if ($client !== null) {
                $hint['account'] = (string) $client;
            }
            $body = json_encode($hint);
            if ($body === false) {
                return;
            }
            $stamp = (string) time();
            $timeout = max(1, (int) ticket_bridge_setting('TICKET_BRIDGE_HOOK_TIMEOUT'));
            $call = curl_init($url);
            curl_setopt_array($call, [
                CURLOPT_POST => true,
                CURLOPT_POSTFIELDS => $body,
                CURLOPT_HTTPHEADER => [
                    'Content-Type: application/json',
                    'Expect:',
                    'X-Ticket-Bridge-Timestamp: ' . $stamp,
                    'X-Ticket-Bridge-Signature: sha256=' . hash_hmac('sha256', $stamp . '.' . $body, $secret),
                ],
                CURLOPT_RETURNTRANSFER => true,
                CURLOPT_FOLLOWLOCATION => false,
                CURLOPT_NOSIGNAL => true,
                CURLOPT_CONNECTTIMEOUT => $timeout,
                CURLOPT_TIMEOUT => $timeout,
            ]);
            $answer = curl_exec($call);
            $status = (int) curl_getinfo($call, CURLINFO_HTTP_CODE);
            $error = curl_error($call);
            curl_close($call);
            if ($answer === false) {
                $failed = true;
                ticket_bridge_complain("the hint for $event was not sent: $error");
            } elseif ($status !== 202) {
                ticket_bridge_complain("the hint for $event was answered with $status: " . substr((string) $answer, 0, 200));
            }
        } catch (\Throwable $error) {
            ticket_bridge_complain("the hint for $event failed: " . $error->getMessage());
        }
    }

    /** A hook whose variables name one ticket as $field. */
    function ticket_bridge_on($event, $field = 'ticketid')
    {
        add_hook($event, 1, function ($vars) use ($event, $field) {
            if (empty($vars[$field])) {
                return;
            }
            $ticket = $vars[$field];
            $client = empty($vars['userid']) ? ticket_bridge_client($ticket) : (string) $vars['userid'];
            ticket_bridge_hint($event, ['ticketid' => (string) $ticket], $client);
        });
    }
}

ticket_bridge_on('TicketOpen');
ticket_bridge_on('TicketOpenAdmin');
ticket_bridge_on('TicketAdminReply');
ticket_bridge_on('TicketUserReply');
ticket_bridge_on('TicketClose');
ticket_bridge_on('TicketStatusChange');
// These two write it otherwise (https://developers.whmcs.com/hooks-reference/ticket/).
ticket_bridge_on('TicketDelete', 'ticketId');
ticket_bridge_on('TicketDeleteReply', 'ticketId');

add_hook('TicketMerge', 1, function ($vars) {
    $master = isset($vars['masterTicketId']) ? $vars['masterTicketId'] : null;
    $merged = isset($vars['mergedTicketIds']) ? array_values((array) $vars['mergedTicketIds']) : [];
    if ($master === null && !$merged) {
        return;
    }
    $tickets = ['mergedTicketIds' => array_map('strval', $merged)];
    if ($master !== null) {
        $tickets['masterTicketId'] = (string) $master;
    }
    ticket_bridge_hint('TicketMerge', $tickets, $master === null ? null : ticket_bridge_client($master));
});

add_hook('TicketSplit', 1, function ($vars) {
    $tickets = [];
    foreach (['originalTicketId', 'newTicketId', 'newTicketID'] as $field) {
        if (!empty($vars[$field])) {
            $tickets[$field] = (string) $vars[$field];
        }
    }
    if ($tickets) {
        ticket_bridge_hint('TicketSplit', $tickets, ticket_bridge_client(reset($tickets)));
    }
});
