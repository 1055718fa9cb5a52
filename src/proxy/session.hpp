// One client: its socket, its requests in order, and how each is answered.
//
// Owned by its Worker, used on that thread. A session outlives its client until its last operation
// is over: flights that others wait for and barriers of writes are completed whoever has gone.
//
// A wake-up is one read, as many requests as it brought, one write. Callbacks of links, flights and
// fences only put bytes where they belong and touch() the session; it pumps at the end of the
// wake-up. So no request is ever dispatched from within a callback.
//
// A session that must not go on, because the order of its answers would be lost, stalls: the
// request that found it out stays unread and is dispatched again afterwards.
#pragma once

#include "clean_keys.hpp"
#include "client_words.hpp"
#include "hold.hpp"
#include "input.hpp"
#include "output.hpp"
#include "pinned_flow.hpp"
#include "reply_queue.hpp"
#include "stall.hpp"
#include "tracking_redirect.hpp"

#include "tiercache/coherence/session.hpp"
#include "tiercache/io/stream.hpp"
#include "tiercache/l2/link.hpp"
#include "tiercache/proxy/identities.hpp"
#include "tiercache/proxy/worker.hpp"
#include "tiercache/resp/request_parser.hpp"
#include "tiercache/topology/slots.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::proxy {

struct LoadAnswer;
class NodeEvents;

class Session final : public l2::Consumer, private io::Stream::User {
 public:
  Session(Worker& worker, std::uint32_t id, std::uint64_t client_id);
  ~Session() override;

  std::uint32_t id() const noexcept {
    return id_;
  }
  void start(Socket socket);
  // What the worker asks for.
  void pump();
  void pump(Time at);
  void begin_drain();
  // The client is gone, or has to go; nothing more is written.
  void close();
  // Nothing runs any more; only memory is to be freed.
  void forget_links();
  // Once a second: idle clients, parked links.
  void tick(Time now);
  ClientFacts facts() const;
  std::uint64_t client_id() const noexcept {
    return client_id_;
  }
  // The number of the user that it acts as.
  std::uint64_t user() const noexcept {
    return user_->id();
  }
  // Redis has said whether that user may run what the session is about to do; empty: yes.
  void on_permission(std::string_view refusal);
  // Takes no more requests.
  void close_after_answers();
  // Redis's id of the connection on which this client waits in a blocking command; 0: it does not.
  std::uint64_t blocked_upstream() const noexcept;
  void end_pause();
  // A write may be dispatched again: what was being stored is in Redis.
  void on_stored();
  void on_clean(std::uint64_t wait, std::uint64_t upto);  // Invalidations::Wake
  // Another client's invalidations are to come here: from now on the session keeps a connection of
  // its own, and `answer` gets Redis's id of it once it stands; 0 if it breaks first.
  using OnUpstreamId = TrackingRedirect::OnUpstreamId;
  void be_redirect_target(OnUpstreamId answer);
  // The id for this client's own CLIENT TRACKING ... REDIRECT; 0: there is no such client.
  void on_redirect(std::uint64_t upstream);
  bool has_client() const noexcept {
    return !gone_;
  }
  bool touched = false;      // the worker's
  bool awaits_link = false;  // likewise
  bool holding = false;      // likewise
  // When answers that wait for others are to be written; Time{}: none do.
  Time hold_until() const noexcept {
    return hold_.until();
  }

  // What a flight brought for an operation that waits for it.
  enum class News : std::uint8_t {
    bytes,
    nil,     // GET of a missing key: each RESP version has its own word for that
    stale,   // bytes of what is being loaded anew
    kept,    // the same, and loading it anew has failed
    broken,  // the flight's link is lost; the bytes are an error reply
  };
  void on_flight(std::uint64_t op, std::string_view bytes, News news, bool last);
  void on_extension(std::uint64_t op, std::string bytes);
  // The full number of an operation from the low bits that a ticket has.
  std::uint64_t op_of(std::uint32_t low) const noexcept;

  void on_reply(std::uint64_t tag, std::string_view piece, bool last) override;
  void on_lost(std::uint64_t tag, std::string_view why) override;
  void on_frame(std::string_view piece, bool last, bool push) override;
  void on_closed(std::string_view why) override;
  void on_room() override;

 private:
  using Request = resp::Request;
  using Args = command::Args;
  using Traffic = l2::LinkSpec::Traffic;
  using Self = boost::intrusive_ptr<Session>;
  enum class Step : std::uint8_t {
    next,   // the request is taken
    again,  // it is not: the session stalls
  };
  struct Classified {
    const command::Command* command = nullptr;  // null: unknown
    bool fits = false;                          // the arity
    command::Kind kind = command::Kind::none;
    command::Route route = command::Route::shared;
    std::uint16_t position = kNoCommand;  // in the table
  };

  Self ref() {
    return Self(this);
  }
  Time now() const;

  // session_io.cpp
  void read();
  void on_readable() override;
  void on_writable() override;
  // True if it stopped although there may be requests left that need no waiting but for output.
  bool process();
  bool process_requests();
  void write();
  void protocol_error();
  void settle();
  bool may_read() const noexcept;
  bool too_much_output() const noexcept;
  bool holds_answers();

  // session_replies.cpp
  std::uint64_t push(OpKind kind);
  void deliver(Op& op, std::string_view bytes);
  void deliver_out_of_band(std::string_view bytes);
  void finish(Op& op);
  // timing.cpp
  void begin_timing(Op& op) const;
  void end_timing(const Op& op);
  void count_hit(namespaces::Index space) {
    worker_.count(stats::Counter::l1_hits);
    worker_.spaces().count(space, SpaceCounter::hits);
    hits_++;
  }
  void count_fill(namespaces::Index space, bool filled);
  void end_hits();
  SlowEntry* keep_slow(Duration took, stats::Answered by);

  void advance();
  void answer(std::string_view bytes);  // to the request just dispatched
  Step answer_error(std::string_view text);
  Step answer_away();
  void check_output();
  void doom();
  void paid(Op& op);
  void start_reply(Op& op);
  void on_op_bytes(std::uint64_t id, std::string_view piece, bool last);
  void on_op_piece(std::uint64_t id, std::string_view piece, bool last);
  void on_op_lost(std::uint64_t id, std::string_view why);
  std::string lost_text(const Op& op, std::string_view why);
  void on_script_piece(std::uint64_t id, std::string_view piece, bool last);
  void on_augmented_piece(std::uint64_t id, std::string_view piece, bool last);
  void end_script(std::uint64_t id);
  std::string away_text(std::string_view why) const;
  std::string away_text(std::string_view why, const Lane& lane) const;

  // dispatch.cpp
  Step dispatch(const Request& request);
  Classified classify(Args args) const;
  Step link_step(Traffic traffic = Traffic::commands);
  l2::LinkPtr shared_link() const;
  Step stall(Stall why);
  Step wait_fence(std::uint64_t ping);
  Step shared(const Request& request, const Classified& what);
  Step relay(const Request& request, const Classified& what);
  Step augmented(const Request& request);
  std::string_view relay_bytes(const Request& request);
  void send(std::string_view bytes, std::uint64_t op);

  // retry.cpp: reads whose link was lost
  bool repeats(std::uint64_t id);
  void send_lost_again();
  void send_again(std::uint64_t id);

  // cluster.cpp: which node, and what it says
  std::optional<Step> route(const Request& request, const Classified& what);
  std::optional<Step> route_multi(const Classified& what);
  bool leave_other_node();
  std::optional<Step> split_request(const Classified& what, Args args);
  Step ask_all(const Classified& what, Args args, Merge merge);
  Step send_parts(const Classified& what, Split cut, const std::vector<Lane*>& lanes, bool fills);
  void send_part(const Classified& what, const std::shared_ptr<Gathered>& gathered,
                 std::size_t index, bool fills);
  void send_words(Args args, std::uint64_t id);
  void on_part_piece(std::uint64_t id, std::string_view piece, bool last);
  void end_part(std::uint64_t id, std::string reply);
  void use(Lane& lane);
  l2::LinkPtr& parked(const Lane& lane);
  const l2::LinkPtr& link_of(const Lane& lane);
  void on_cluster_bytes(std::uint64_t id, std::string_view piece, bool last);
  bool redirected(std::uint64_t id, const topology::Redirect& where);
  void tell_redirect(const topology::Redirect& where, topology::NodeIndex from);
  void follow(std::uint64_t id, const topology::Redirect& where, bool waited);
  void send_elsewhere(std::uint64_t id, Lane& lane, bool asking);
  void leave_node(std::uint64_t id, Lane& to);
  void arrive(Op& op);

  // replicas.cpp
  Step pick_server(const Request& request, const Classified& what);
  Step go_to_master(Lane& master);
  bool reads_kept(const Classified& what, Args args) const;
  void compare(const Lane& master, Args keys);
  bool ready(Lane& reader);
  Step leave_replica();
  void ask_master_instead(std::uint64_t id);

  void read_keys(const Classified& what, Args args);
  void count_keys(Args args);

  // reads.cpp
  enum class Keep : std::uint8_t { yes, no };  // what L1 may do with the reply
  Step cacheable_read(const Request& request, const Classified& what, namespaces::Index space,
                      Keep keep);
  Step ttl_read(const Request& request, const Classified& what, namespaces::Index space);
  bool hit_run();  // hit_run.cpp: GETs that L1 answers, several at a time; false: no such request
  void on_flight_piece(std::uint64_t id, std::string_view piece, bool last);
  void on_pttl_piece(std::uint64_t id, std::string_view piece, bool last);
  void on_behind_piece(std::uint64_t id, std::string_view piece, bool last);
  void end_flight(std::uint64_t id, std::string_view reply);
  void tell_waiters(const coherence::Waiters& waiters, std::string_view bytes, News news,
                    bool last);
  void on_flight_lost(std::uint64_t id, std::string_view why);
  void done_reading(Op& op);

  // loading.cpp: keys that a source has
  bool loads(const Classified& what, namespaces::Index space) const;
  bool loads_any(const Classified& what, Args args) const;
  bool waits_for_store(const Classified& what, Args args);
  void load(std::uint64_t id, const coherence::Waiters& waiters, std::string_view stale);
  Step load_past(const Request& request, const Classified& what, namespaces::Index space);
  // invalidated.cpp
  std::optional<Step> meet_invalidations(const Request& request, const Classified& what);
  bool goes_past_redis(const Classified& what, Args args);
  void note_queued(Args args);
  std::int64_t note_age(std::uint64_t id, bool may_wait);
  bool load_elements(std::uint64_t id);
  void on_element(std::uint64_t id, std::size_t position, const LoadAnswer& answer, bool kept);
  coherence::Waiter ticket(std::uint64_t op) const noexcept;

  // multi_reads.cpp
  Step multi_read(const Request& request, const Classified& what, Keep keep);
  bool keeps_all(const Classified& what, Args keys) const;
  template <class Each>
  coherence::MultiOutcome look_up(Lane& lane, const Classified& what, Args keys,
                                  std::uint64_t fenced_by, Each&& each);
  void count_hits(Args keys);
  bool may_fill(const Classified& what, Args keys);
  bool hit_parts(const Classified& what, Args args, const Split& cut,
                 const std::vector<Lane*>& lanes);
  Step send_multi(const Request& request, const Classified& what, Keep keep);
  bool begin_multi(std::uint64_t id, Args keys);
  std::size_t most_kept(const Op& op) const;
  bool end_multi(Op& op);
  void on_multi_piece(std::uint64_t id, std::string_view piece, bool last);
  void fill_multi(Op& op);
  void give_up_multi(Op& op);

  // local_keys.cpp: keys that live in the proxy alone
  enum class LocalKeys : std::uint8_t {
    none,     // the request names none
    run,      // run_local() answers it
    refused,  // local_error_ says why
  };
  LocalKeys local_keys(const Classified& what, Args args);
  Step run_local(const Classified& what, Args args);
  Step answer_local(LocalKeys found, const Classified& what, Args args);
  void flush_local(const Effects& effects);

  // local.cpp
  Step local(const Request& request, const Classified& what);
  Step ping(const Request& request, const Classified& what);
  Step cache_command(Args args);
  Step hello(const Request& request);
  Step select(Args args);
  Step reset();
  struct Move {
    l2::LinkSpec spec;
    std::string answer;
    IdentityPtr identity;            // who the session then acts as
    std::string_view question = {};  // what Redis may refuse, sent there first; empty: nothing
    std::optional<std::string> name = {};
  };
  Step move(Move where);
  Step trial(l2::LinkPtr link, Move where, l2::LoginPtr login);
  void on_trial_reply(std::uint64_t id, std::string_view piece);
  void on_trial_lost(std::uint64_t id, std::string_view why);
  void end_trial(std::uint64_t id);
  void set_spec(const l2::LinkSpec& spec);
  std::string hello_reply(resp::Version version) const;

  // identity.cpp: who acts, and what they may do
  Step auth(const Request& request);
  Step log_in(const Request& request, l2::LoginPtr login, Move where);
  l2::LinkSpec with_login(l2::LinkSpec spec) const;
  bool may_all() const noexcept {
    return user_->may_all(time_);
  }
  bool stamped(const Classified& what, std::string_view key);
  void want_stamp(Op& op, std::uint16_t command, std::string_view key);
  void want_stamps(Op& op, const Classified& what, Args args);
  void stamp(Op& op, std::string_view head);
  enum class Permission : std::uint8_t { yes, no, asked };
  Permission permission(const Classified& what);
  bool asks_permission() const noexcept {
    return !user_->said_all() || (pinned_ && !flow_->logged_in_as().empty());
  }
  bool login_lost(std::string_view why) const noexcept;
  std::string_view user_name() const;
  void check_login();

  // client_commands.cpp
  using Answer = std::function<void(std::string)>;
  Step client_command(const Classified& what, Args args);
  std::optional<std::string> client_reply(std::string_view sub, Args args);
  std::string client_setinfo(Args args);
  void client_ask_all(std::string_view sub, Args args, Answer answer);
  void client_list(Args args, Answer answer);
  void client_kill(Args args, const Answer& answer);
  void client_pause(Args args, Answer answer);
  void client_unblock(Args args, Answer answer);
  Answer answer_later(std::uint64_t op);
  bool paused(const Classified& what, Args args) const;

  // exec_locals.cpp
  bool queues_client(const Classified& what) const;
  std::optional<std::string_view> place_holder(const Classified& what, Args args);
  bool on_exec_piece(std::uint64_t id, std::string_view piece, bool last);
  void run_exec_locals(std::uint64_t id);
  void run_blind_locals(const std::vector<LocalInExec>& locals);

  // redirect.cpp: CLIENT TRACKING ... REDIRECT
  bool resolve_redirect(Args args);
  std::string_view with_redirect(const Request& request);
  void serve_redirect();
  void tell_upstream_id(std::uint64_t upstream);
  bool shows_ids(const Classified& what) const noexcept;
  std::string in_our_ids(std::string reply) const;
  void show_redirect_broken(std::string& frame) const;

  // pinned.cpp
  Step pin();
  bool take_own_link();
  void unpin();
  void leave_own_link();
  bool pinned() const noexcept {
    return pinned_;
  }
  Step pinned_request(const Request& request, const Classified& what);
  bool ends_here(const Classified& what) const;
  static bool answers_itself(const Classified& what);
  static bool logs_in(const Classified& what, Args args);
  Step pinned_local(const Request& request, const Classified& what,
                    std::optional<std::string> refused);
  void pinned_send(const Request& request, const Classified& what);
  Op* pinned_internal(std::string_view bytes, std::initializer_list<std::string_view> args);
  std::string_view pinned_bytes(const Request& request, const Classified& what);
  void fail_pinned(std::string_view why);

  // node_subscriber.cpp: events of a Cluster's other nodes
  bool awaits_nodes(const Classified& what, Args args);
  std::string_view pubsub_frame(std::string_view piece, bool last);
  void end_frame();
  void on_node_event(std::string_view frame);
  NodeEvents& node_events();
  void leave_nodes();
  void after_exec(std::uint64_t id, bool ran);

  static constexpr std::uint16_t kNoCommand = 0xffff;
  // Constant after construction.
  Worker& worker_;
  const std::uint32_t id_;
  const std::uint64_t client_id_;

  // The client's side.
  io::Stream stream_;
  Input in_;
  resp::RequestParser parser_;
  Output out_;
  std::size_t queued_output_ = 0;   // bytes of answers that wait in queue_
  std::size_t largest_answer_ = 0;  // of those that the client may not have taken yet
  bool writing_ = false;            // waits until the socket takes more
  bool eof_ = false;
  bool closing_ = false;  // takes no more requests, closes when all is answered and written
  bool gone_ = false;
  bool doomed_ = false;  // to be closed at the end of the wake-up
  bool muted_ = false;   // the request being dispatched is not to be answered (CLIENT REPLY)
  std::string name_;
  std::string peer_;
  std::string local_;
  int fd_ = -1;
  bool unix_ = false;
  bool no_evict_ = false;  // CLIENT NO-EVICT
  bool marks_ = false;     // CACHE MARK
  std::string library_;    // CLIENT SETINFO
  std::string library_version_;
  Time time_;  // of this wake-up
  Time since_;
  Time active_;
  const Request* request_ = nullptr;  // being dispatched
  std::uint32_t hits_ = 0;            // of this wake-up, answered at once

  // Requests.
  ReplyQueue queue_;
  Stall stall_ = Stall::none;
  std::uint64_t fenced_by_ = 0;      // of the request that is dispatched again
  CleanKeys clean_;                  // likewise
  std::uint64_t last_write_ = 0;     // the last one that was sent and may have changed something
  std::vector<std::uint64_t> lost_;  // reads to be sent again, in order; until then nothing else is
  Time lost_until_{};                // they wait for a link no longer
  std::vector<command::KeyRef> keys_;
  std::string scratch_;
  std::uint16_t last_command_ = kNoCommand;  // in the table
  std::string variant_args_;                 // for the look-up of the request in hand
  std::vector<std::uint16_t> local_spaces_;  // of its keys, after local_keys()
  std::string local_error_;

  // Upstream. spec_.user is user_'s number. Where there are several lanes link_ is that of lane_,
  // links_ has those of the others (parked()).
  coherence::Session coherence_;
  IdentityPtr user_;
  l2::LinkSpec spec_;
  Lane* lane_;                           // of the request in hand
  Traffic traffic_ = Traffic::commands;  // of link_
  l2::LinkPtr link_;
  std::vector<l2::LinkPtr> links_;
  // Where reads go to replicas: who owes what is under way. Both never do.
  enum class Server : std::uint8_t { master, replica };
  Server server_ = Server::master;
  // Of the request in hand: the replica may not have what was shown of its keys; L1 may not be
  // looked into.
  bool behind_ = false;
  bool unproven_ = false;
  bool to_master_ = false;       // of the request that is dispatched again: the replica does not do
  topology::SlotMapPtr map_;     // by which the requests under way were sent
  Lane* keyed_lane_ = nullptr;   // where the last one that had a key went
  bool sent_elsewhere_ = false;  // a request under way was: nothing goes behind it
  bool multi_promised_ = false;  // MULTI is answered; the next request shows where it belongs
  std::string off_node_;         // why the request in hand cannot be done where the session is

  // Pinned, or parked: the own link is clean and kept for the next time.
  l2::LinkPtr own_;
  Lane* own_lane_ = nullptr;
  std::uint64_t own_user_ = 0;  // whose it is
  std::optional<PinnedFlow> flow_;
  bool pinned_ = false;
  bool paused_ = false;
  unsigned parked_ticks_ = 0;
  Effects unanswered_;  // of requests that nobody answers, until one behind them is answered
  Effects transaction_;
  std::vector<std::uint32_t> transaction_dbs_;
  std::vector<LocalInExec> transaction_locals_;
  bool transaction_writes_ = false;  // as far as CLIENT PAUSE is concerned
  std::string frame_head_;
  std::string frame_tail_;
  bool frame_begun_ = false;
  PinnedFlow::Frame frame_;
  std::unique_ptr<NodeEvents> node_events_;  // of a Cluster, once it subscribes
  std::string held_events_;                  // of other nodes, while a frame is passed on
  bool nodes_asked_ = false;                 // the session stalls until they have subscribed

  TrackingRedirect redirect_;
  bool permission_asked_ = false;  // of the request that is dispatched again
  std::string refusal_;            // what Redis said, empty: it may be done

  Hold hold_;  // over a Cluster: of what out_ has
};

}  // namespace tiercache::proxy
