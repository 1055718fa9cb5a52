#include "tiercache/l1/shares.hpp"

#include "blocks.hpp"

namespace tiercache::l1 {

std::size_t Accounts::add(const Entry* entry) {
  const std::size_t index = class_of(entry);
  Account& account = accounts_[index];
  account.entries++;
  account.bytes += Blocks::allocated(*entry);
  return index;
}

std::size_t Accounts::take(const Entry* entry) {
  const std::size_t index = class_of(entry);
  Account& account = accounts_[index];
  account.entries--;
  account.bytes -= Blocks::allocated(*entry);
  return index;
}

void Accounts::copy_evictions(const Accounts& other) noexcept {
  for (std::size_t i = 0; i < accounts_.size(); ++i) {
    accounts_[i].evictions = other.accounts_[i].evictions;
  }
}

std::optional<std::size_t> Accounts::fullest(Measure measure, std::size_t but) const noexcept {
  std::optional<std::size_t> most;
  std::size_t amount_of_most = 0;
  for (std::size_t i = 0; i < accounts_.size(); ++i) {
    const Account& account = accounts_[i];
    if (i == but || account.entries == 0) {
      continue;
    }
    // amount / share, without the fractions.
    const std::size_t amount = measure == Measure::entries ? account.entries : account.bytes;
    if (!most || amount * shares_->percents[*most] > amount_of_most * shares_->percents[i]) {
      most = i;
      amount_of_most = amount;
    }
  }
  return most;
}

}  // namespace tiercache::l1
