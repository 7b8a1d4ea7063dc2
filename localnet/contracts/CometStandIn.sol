// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

interface CometPriceFeed {
    function decimals() external view returns (uint8);
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80);
}

interface CometToken {
    function decimals() external view returns (uint8);
    function balanceOf(address holder) external view returns (uint256);
    function transfer(address to, uint256 value) external returns (bool);
    function transferFrom(address from, address to, uint256 value) external returns (bool);
}

/// A stand-in of our own for Compound v3's market (compound-finance/comet, CometWithExtendedAssetList), which no
/// registry has compiled: the same functions, events, errors, storage slots and rounding, for up to 24
/// collaterals. Left out: rewards, signatures, the guard against re-entry, tokens that keep a fee.
contract CometStandIn {
    struct AssetConfig {
        address asset;
        address priceFeed;
        uint8 decimals;
        uint64 borrowCollateralFactor;
        uint64 liquidateCollateralFactor;
        uint64 liquidationFactor;
        uint128 supplyCap;
    }

    struct Configuration {
        address governor;
        address pauseGuardian;
        address baseToken;
        address baseTokenPriceFeed;
        address extensionDelegate;
        uint64 supplyKink;
        uint64 supplyPerYearInterestRateSlopeLow;
        uint64 supplyPerYearInterestRateSlopeHigh;
        uint64 supplyPerYearInterestRateBase;
        uint64 borrowKink;
        uint64 borrowPerYearInterestRateSlopeLow;
        uint64 borrowPerYearInterestRateSlopeHigh;
        uint64 borrowPerYearInterestRateBase;
        uint64 storeFrontPriceFactor;
        uint64 trackingIndexScale;
        uint64 baseTrackingSupplySpeed;
        uint64 baseTrackingBorrowSpeed;
        uint104 baseMinForRewards;
        uint104 baseBorrowMin;
        uint104 targetReserves;
        AssetConfig[] assetConfigs;
    }

    struct AssetInfo {
        uint8 offset;
        address asset;
        address priceFeed;
        uint64 scale;
        uint64 borrowCollateralFactor;
        uint64 liquidateCollateralFactor;
        uint64 liquidationFactor;
        uint128 supplyCap;
    }

    struct Totals {
        uint64 baseSupplyIndex;
        uint64 baseBorrowIndex;
        uint64 trackingSupplyIndex;
        uint64 trackingBorrowIndex;
        uint104 totalSupplyBase;
        uint104 totalBorrowBase;
        uint40 lastAccrualTime;
        uint8 pauseFlags;
    }

    struct TotalsCollateral {
        uint128 totalSupplyAsset;
        uint128 _reserved;
    }

    struct UserBasic {
        int104 principal;
        uint64 baseTrackingIndex;
        uint64 baseTrackingAccrued;
        uint16 assetsIn;
        uint8 _reserved;
    }

    struct UserCollateral {
        uint128 balance;
        uint128 _reserved;
    }

    error AlreadyInitialized();
    error BadAsset();
    error BadDecimals();
    error BadPrice();
    error BorrowCFTooLarge();
    error BorrowTooSmall();
    error InsufficientReserves();
    error InvalidInt104();
    error InvalidUInt104();
    error InvalidUInt128();
    error InvalidUInt64();
    error LiquidateCFTooLarge();
    error NoSelfTransfer();
    error NotCollateralized();
    error NotForSale();
    error NotLiquidatable();
    error Paused();
    error SupplyCapExceeded();
    error TooManyAssets();
    error TooMuchSlippage();
    error Unauthorized();

    event Supply(address indexed from, address indexed dst, uint256 amount);
    event Transfer(address indexed from, address indexed to, uint256 amount);
    event Withdraw(address indexed src, address indexed to, uint256 amount);
    event SupplyCollateral(address indexed from, address indexed dst, address indexed asset, uint256 amount);
    event TransferCollateral(address indexed from, address indexed to, address indexed asset, uint256 amount);
    event WithdrawCollateral(address indexed src, address indexed to, address indexed asset, uint256 amount);
    event AbsorbDebt(address indexed absorber, address indexed borrower, uint256 basePaidOut, uint256 usdValue);
    event AbsorbCollateral(
        address indexed absorber,
        address indexed borrower,
        address indexed asset,
        uint256 collateralAbsorbed,
        uint256 usdValue
    );
    event BuyCollateral(
        address indexed buyer, address indexed asset, uint256 baseAmount, uint256 collateralAmount
    );
    event PauseAction(bool supplyPaused, bool transferPaused, bool withdrawPaused, bool absorbPaused, bool buyPaused);
    event WithdrawReserves(address indexed to, uint256 amount);
    event Approval(address indexed owner, address indexed spender, uint256 amount);

    uint256 private constant INDEX = 1e15;
    uint256 private constant FACTOR = 1e18;
    uint256 private constant YEAR = 31_536_000;
    uint64 private constant FACTOR_STEP = 1e14;

    // The first eight slots are as in the contract it stands for.
    Totals private totals;
    mapping(address => TotalsCollateral) public totalsCollateral;
    mapping(address => mapping(address => bool)) public isAllowed;
    mapping(address => uint256) public userNonce;
    mapping(address => UserBasic) public userBasic;
    mapping(address => mapping(address => UserCollateral)) public userCollateral;
    mapping(address => uint256) private points;
    AssetInfo[] private assets;

    address public immutable governor;
    address public immutable pauseGuardian;
    address public immutable baseToken;
    address public immutable baseTokenPriceFeed;
    uint256 public immutable supplyKink;
    uint256 public immutable supplyPerSecondInterestRateSlopeLow;
    uint256 public immutable supplyPerSecondInterestRateSlopeHigh;
    uint256 public immutable supplyPerSecondInterestRateBase;
    uint256 public immutable borrowKink;
    uint256 public immutable borrowPerSecondInterestRateSlopeLow;
    uint256 public immutable borrowPerSecondInterestRateSlopeHigh;
    uint256 public immutable borrowPerSecondInterestRateBase;
    uint256 public immutable storeFrontPriceFactor;
    uint256 public immutable baseScale;
    uint256 public immutable baseBorrowMin;
    uint256 public immutable targetReserves;
    uint8 public immutable decimals;
    uint8 public immutable numAssets;

    constructor(Configuration memory config) {
        governor = config.governor;
        pauseGuardian = config.pauseGuardian;
        baseToken = config.baseToken;
        baseTokenPriceFeed = config.baseTokenPriceFeed;
        supplyKink = config.supplyKink;
        supplyPerSecondInterestRateSlopeLow = config.supplyPerYearInterestRateSlopeLow / YEAR;
        supplyPerSecondInterestRateSlopeHigh = config.supplyPerYearInterestRateSlopeHigh / YEAR;
        supplyPerSecondInterestRateBase = config.supplyPerYearInterestRateBase / YEAR;
        borrowKink = config.borrowKink;
        borrowPerSecondInterestRateSlopeLow = config.borrowPerYearInterestRateSlopeLow / YEAR;
        borrowPerSecondInterestRateSlopeHigh = config.borrowPerYearInterestRateSlopeHigh / YEAR;
        borrowPerSecondInterestRateBase = config.borrowPerYearInterestRateBase / YEAR;
        storeFrontPriceFactor = config.storeFrontPriceFactor;
        baseBorrowMin = config.baseBorrowMin;
        targetReserves = config.targetReserves;
        decimals = CometToken(config.baseToken).decimals();
        baseScale = 10 ** CometToken(config.baseToken).decimals();
        numAssets = uint8(config.assetConfigs.length);
        if (config.assetConfigs.length > 24) revert TooManyAssets();
        if (CometPriceFeed(config.baseTokenPriceFeed).decimals() != 8) revert BadDecimals();
        for (uint8 i = 0; i < config.assetConfigs.length; i++) _list(i, config.assetConfigs[i]);
    }

    function initializeStorage() external {
        if (totals.lastAccrualTime != 0) revert AlreadyInitialized();
        totals.lastAccrualTime = uint40(block.timestamp);
        totals.baseSupplyIndex = uint64(INDEX);
        totals.baseBorrowIndex = uint64(INDEX);
    }

    // Views

    function totalsBasic() external view returns (Totals memory) {
        return totals;
    }

    function getAssetInfo(uint8 i) public view returns (AssetInfo memory) {
        if (i >= numAssets) revert BadAsset();
        return assets[i];
    }

    function getAssetInfoByAddress(address asset) public view returns (AssetInfo memory) {
        for (uint8 i = 0; i < numAssets; i++) if (assets[i].asset == asset) return assets[i];
        revert BadAsset();
    }

    function collateralBalanceOf(address account, address asset) external view returns (uint128) {
        return userCollateral[account][asset].balance;
    }

    function hasPermission(address owner, address manager) public view returns (bool) {
        return owner == manager || isAllowed[owner][manager];
    }

    function getPrice(address feed) public view returns (uint256) {
        (, int256 price,,,) = CometPriceFeed(feed).latestRoundData();
        if (price <= 0) revert BadPrice();
        return uint256(price);
    }

    function getUtilization() public view returns (uint256) {
        uint256 supplied = _present(totals.totalSupplyBase, totals.baseSupplyIndex);
        uint256 borrowed = _present(totals.totalBorrowBase, totals.baseBorrowIndex);
        return supplied == 0 ? 0 : borrowed * FACTOR / supplied;
    }

    function getSupplyRate(uint256 utilization) public view returns (uint64) {
        return _rate(
            utilization,
            supplyKink,
            supplyPerSecondInterestRateBase,
            supplyPerSecondInterestRateSlopeLow,
            supplyPerSecondInterestRateSlopeHigh
        );
    }

    function getBorrowRate(uint256 utilization) public view returns (uint64) {
        return _rate(
            utilization,
            borrowKink,
            borrowPerSecondInterestRateBase,
            borrowPerSecondInterestRateSlopeLow,
            borrowPerSecondInterestRateSlopeHigh
        );
    }

    function balanceOf(address account) public view returns (uint256) {
        (uint64 index,) = _indicesNow();
        int104 principal = userBasic[account].principal;
        return principal > 0 ? _present(uint104(principal), index) : 0;
    }

    function borrowBalanceOf(address account) public view returns (uint256) {
        (, uint64 index) = _indicesNow();
        int104 principal = userBasic[account].principal;
        return principal < 0 ? _present(uint104(-principal), index) : 0;
    }

    function totalSupply() external view returns (uint256) {
        (uint64 index,) = _indicesNow();
        return _present(totals.totalSupplyBase, index);
    }

    function totalBorrow() external view returns (uint256) {
        (, uint64 index) = _indicesNow();
        return _present(totals.totalBorrowBase, index);
    }

    function getReserves() public view returns (int256) {
        (uint64 supplyIndex, uint64 borrowIndex) = _indicesNow();
        uint256 held = CometToken(baseToken).balanceOf(address(this));
        return int256(held) - int256(_present(totals.totalSupplyBase, supplyIndex))
            + int256(_present(totals.totalBorrowBase, borrowIndex));
    }

    function getCollateralReserves(address asset) public view returns (uint256) {
        return CometToken(asset).balanceOf(address(this)) - totalsCollateral[asset].totalSupplyAsset;
    }

    function quoteCollateral(address asset, uint256 baseAmount) public view returns (uint256) {
        AssetInfo memory info = getAssetInfoByAddress(asset);
        uint256 price = getPrice(info.priceFeed);
        uint256 discount = storeFrontPriceFactor * (FACTOR - info.liquidationFactor) / FACTOR;
        uint256 asked = price * (FACTOR - discount) / FACTOR;
        return getPrice(baseTokenPriceFeed) * baseAmount * info.scale / asked / baseScale;
    }

    function isBorrowCollateralized(address account) public view returns (bool) {
        return userBasic[account].principal >= 0 || _liquidity(account, true) >= 0;
    }

    function isLiquidatable(address account) public view returns (bool) {
        return userBasic[account].principal < 0 && _liquidity(account, false) < 0;
    }

    function isSupplyPaused() public view returns (bool) {
        return totals.pauseFlags & 1 != 0;
    }

    function isTransferPaused() public view returns (bool) {
        return totals.pauseFlags & 2 != 0;
    }

    function isWithdrawPaused() public view returns (bool) {
        return totals.pauseFlags & 4 != 0;
    }

    function isAbsorbPaused() public view returns (bool) {
        return totals.pauseFlags & 8 != 0;
    }

    function isBuyPaused() public view returns (bool) {
        return totals.pauseFlags & 16 != 0;
    }

    // Deeds

    function pause(bool supply_, bool transfer_, bool withdraw_, bool absorb_, bool buy_) external {
        if (msg.sender != governor && msg.sender != pauseGuardian) revert Unauthorized();
        totals.pauseFlags = (supply_ ? 1 : 0) | (transfer_ ? 2 : 0) | (withdraw_ ? 4 : 0) | (absorb_ ? 8 : 0)
            | (buy_ ? 16 : 0);
        emit PauseAction(supply_, transfer_, withdraw_, absorb_, buy_);
    }

    function allow(address manager, bool allowed) external {
        isAllowed[msg.sender][manager] = allowed;
        emit Approval(msg.sender, manager, allowed ? type(uint256).max : 0);
    }

    function accrueAccount(address) external {
        _accrue();
    }

    function supply(address asset, uint256 amount) external {
        supplyFrom(msg.sender, msg.sender, asset, amount);
    }

    function supplyTo(address dst, address asset, uint256 amount) external {
        supplyFrom(msg.sender, dst, asset, amount);
    }

    function supplyFrom(address from, address dst, address asset, uint256 amount) public {
        if (isSupplyPaused()) revert Paused();
        if (!hasPermission(from, msg.sender)) revert Unauthorized();
        if (asset != baseToken) return _supplyCollateral(from, dst, asset, _u128(amount));
        if (amount == type(uint256).max) amount = borrowBalanceOf(dst);
        CometToken(baseToken).transferFrom(from, address(this), amount);
        _accrue();
        uint104 supplied = _add(dst, amount);
        emit Supply(from, dst, amount);
        if (supplied > 0) emit Transfer(address(0), dst, _present(supplied, totals.baseSupplyIndex));
    }

    function withdraw(address asset, uint256 amount) external {
        withdrawFrom(msg.sender, msg.sender, asset, amount);
    }

    function withdrawTo(address to, address asset, uint256 amount) external {
        withdrawFrom(msg.sender, to, asset, amount);
    }

    function withdrawFrom(address src, address to, address asset, uint256 amount) public {
        if (isWithdrawPaused()) revert Paused();
        if (!hasPermission(src, msg.sender)) revert Unauthorized();
        if (asset != baseToken) return _withdrawCollateral(src, to, asset, _u128(amount));
        if (amount == type(uint256).max) amount = balanceOf(src);
        _accrue();
        (uint104 withdrawn, int256 left) = _take(src, amount);
        _checkBorrower(src, left);
        CometToken(baseToken).transfer(to, amount);
        emit Withdraw(src, to, amount);
        if (withdrawn > 0) emit Transfer(src, address(0), _present(withdrawn, totals.baseSupplyIndex));
    }

    function transfer(address dst, uint256 amount) external returns (bool) {
        transferAssetFrom(msg.sender, dst, baseToken, amount);
        return true;
    }

    function transferFrom(address src, address dst, uint256 amount) external returns (bool) {
        transferAssetFrom(src, dst, baseToken, amount);
        return true;
    }

    function transferAsset(address dst, address asset, uint256 amount) external {
        transferAssetFrom(msg.sender, dst, asset, amount);
    }

    function transferAssetFrom(address src, address dst, address asset, uint256 amount) public {
        if (isTransferPaused()) revert Paused();
        if (!hasPermission(src, msg.sender)) revert Unauthorized();
        if (src == dst) revert NoSelfTransfer();
        if (asset != baseToken) return _transferCollateral(src, dst, asset, _u128(amount));
        if (amount == type(uint256).max) amount = balanceOf(src);
        _accrue();
        (uint104 withdrawn, int256 left) = _take(src, amount);
        uint104 supplied = _add(dst, amount);
        _checkBorrower(src, left);
        if (withdrawn > 0) emit Transfer(src, address(0), _present(withdrawn, totals.baseSupplyIndex));
        if (supplied > 0) emit Transfer(address(0), dst, _present(supplied, totals.baseSupplyIndex));
    }

    function absorb(address absorber, address[] calldata accounts) external {
        if (isAbsorbPaused()) revert Paused();
        _accrue();
        for (uint256 i = 0; i < accounts.length; i++) _absorb(absorber, accounts[i]);
    }

    function buyCollateral(address asset, uint256 minAmount, uint256 baseAmount, address recipient) external {
        if (isBuyPaused()) revert Paused();
        int256 reserves = getReserves();
        if (reserves >= 0 && uint256(reserves) >= targetReserves) revert NotForSale();
        CometToken(baseToken).transferFrom(msg.sender, address(this), baseAmount);
        uint256 bought = quoteCollateral(asset, baseAmount);
        if (bought < minAmount) revert TooMuchSlippage();
        if (bought > getCollateralReserves(asset)) revert InsufficientReserves();
        CometToken(asset).transfer(recipient, _u128(bought));
        emit BuyCollateral(msg.sender, asset, baseAmount, bought);
    }

    function withdrawReserves(address to, uint256 amount) external {
        if (msg.sender != governor) revert Unauthorized();
        int256 reserves = getReserves();
        if (reserves < 0 || amount > uint256(reserves)) revert InsufficientReserves();
        CometToken(baseToken).transfer(to, amount);
        emit WithdrawReserves(to, amount);
    }

    // Inside

    function _list(uint8 i, AssetConfig memory c) private {
        if (CometPriceFeed(c.priceFeed).decimals() != 8) revert BadDecimals();
        if (CometToken(c.asset).decimals() != c.decimals) revert BadDecimals();
        if (c.liquidateCollateralFactor > FACTOR) revert LiquidateCFTooLarge();
        uint64 borrow = c.borrowCollateralFactor / FACTOR_STEP;
        uint64 liquidate = c.liquidateCollateralFactor / FACTOR_STEP;
        if (borrow >= liquidate) revert BorrowCFTooLarge();
        uint64 unit = uint64(10 ** c.decimals);
        assets.push(
            AssetInfo({
                offset: i,
                asset: c.asset,
                priceFeed: c.priceFeed,
                scale: unit,
                borrowCollateralFactor: borrow * FACTOR_STEP,
                liquidateCollateralFactor: liquidate * FACTOR_STEP,
                liquidationFactor: uint64(uint16(c.liquidationFactor / FACTOR_STEP)) * FACTOR_STEP,
                supplyCap: uint128(uint64(c.supplyCap / unit)) * unit
            })
        );
    }

    function _rate(uint256 utilization, uint256 kink, uint256 base, uint256 low, uint256 high)
        private
        pure
        returns (uint64)
    {
        if (utilization <= kink) return _u64(base + low * utilization / FACTOR);
        return _u64(base + low * kink / FACTOR + high * (utilization - kink) / FACTOR);
    }

    function _present(uint104 principal, uint64 index) private pure returns (uint256) {
        return uint256(principal) * index / INDEX;
    }

    function _balance(int104 principal) private view returns (int256) {
        return principal >= 0
            ? int256(_present(uint104(principal), totals.baseSupplyIndex))
            : -int256(_present(uint104(-principal), totals.baseBorrowIndex));
    }

    /// What is lent is rounded down, what is owed is rounded up.
    function _principal(int256 balance) private view returns (int104) {
        if (balance >= 0) return _i104(_u104(uint256(balance) * INDEX / totals.baseSupplyIndex));
        uint256 index = totals.baseBorrowIndex;
        return -_i104(_u104((uint256(-balance) * INDEX + index - 1) / index));
    }

    function _indicesNow() private view returns (uint64 supplyIndex, uint64 borrowIndex) {
        (supplyIndex, borrowIndex) = (totals.baseSupplyIndex, totals.baseBorrowIndex);
        uint256 elapsed = block.timestamp - totals.lastAccrualTime;
        if (elapsed > 0) {
            uint256 utilization = getUtilization();
            supplyIndex += _u64(supplyIndex * (getSupplyRate(utilization) * elapsed) / FACTOR);
            borrowIndex += _u64(borrowIndex * (getBorrowRate(utilization) * elapsed) / FACTOR);
        }
    }

    function _accrue() private {
        (totals.baseSupplyIndex, totals.baseBorrowIndex) = _indicesNow();
        totals.lastAccrualTime = uint40(block.timestamp);
    }

    function _isIn(UserBasic memory user, uint8 i) private pure returns (bool) {
        return i < 16 ? user.assetsIn & (uint16(1) << i) != 0 : user._reserved & (uint8(1) << (i - 16)) != 0;
    }

    /// With the indices as stored, and no price read beyond the collateral that carries the debt.
    function _liquidity(address account, bool toBorrow) private view returns (int256 liquidity) {
        UserBasic memory user = userBasic[account];
        liquidity = _balance(user.principal) * int256(getPrice(baseTokenPriceFeed)) / int256(baseScale);
        for (uint8 i = 0; i < numAssets; i++) {
            if (!_isIn(user, i)) continue;
            if (liquidity >= 0) return liquidity;
            AssetInfo memory info = assets[i];
            uint256 value = userCollateral[account][info.asset].balance * getPrice(info.priceFeed) / info.scale;
            uint256 factor = toBorrow ? info.borrowCollateralFactor : info.liquidateCollateralFactor;
            liquidity += int256(value * factor / FACTOR);
        }
    }

    function _absorb(address absorber, address account) private {
        if (!isLiquidatable(account)) revert NotLiquidatable();
        UserBasic memory user = userBasic[account];
        int256 before = _balance(user.principal);
        uint256 price = getPrice(baseTokenPriceFeed);
        uint256 worth = 0;
        for (uint8 i = 0; i < numAssets; i++) if (_isIn(user, i)) worth += _seize(absorber, account, assets[i]);
        int256 left = before + int256(worth * baseScale / price);
        if (left < 0) left = 0;
        int104 principal = _principal(left);
        userBasic[account].principal = principal;
        userBasic[account].assetsIn = 0;
        userBasic[account]._reserved = 0;
        totals.totalBorrowBase -= uint104(-user.principal);
        totals.totalSupplyBase += uint104(principal);
        uint256 paid = uint256(left - before);
        emit AbsorbDebt(absorber, account, paid, paid * price / baseScale);
        if (principal > 0) {
            emit Transfer(address(0), account, _present(uint104(principal), totals.baseSupplyIndex));
        }
    }

    function _seize(address absorber, address account, AssetInfo memory info) private returns (uint256) {
        uint128 amount = userCollateral[account][info.asset].balance;
        userCollateral[account][info.asset].balance = 0;
        totalsCollateral[info.asset].totalSupplyAsset -= amount;
        uint256 value = amount * getPrice(info.priceFeed) / info.scale;
        emit AbsorbCollateral(absorber, account, info.asset, amount, value);
        return value * info.liquidationFactor / FACTOR;
    }

    /// Adds to what is lent, after what is owed is repaid; the principal that was added to what is lent.
    function _add(address account, uint256 amount) private returns (uint104 supplied) {
        int104 before = userBasic[account].principal;
        int104 later = _principal(_balance(before) + int256(amount));
        userBasic[account].principal = later;
        if (later < before) return 0;
        uint104 repaid = before >= 0 ? 0 : uint104((later <= 0 ? later : int104(0)) - before);
        supplied = later <= 0 ? 0 : uint104(later - (before >= 0 ? before : int104(0)));
        totals.totalBorrowBase -= repaid;
        totals.totalSupplyBase += supplied;
    }

    /// Takes from what is lent, and borrows what it lacks; the principal taken from what is lent, and the
    /// balance that is left before it is rounded to a principal.
    function _take(address account, uint256 amount) private returns (uint104 withdrawn, int256 left) {
        int104 before = userBasic[account].principal;
        left = _balance(before) - int256(amount);
        int104 later = _principal(left);
        userBasic[account].principal = later;
        if (later > before) return (0, left);
        withdrawn = before <= 0 ? 0 : uint104(before - (later >= 0 ? later : int104(0)));
        uint104 borrowed = later >= 0 ? 0 : uint104((before <= 0 ? before : int104(0)) - later);
        totals.totalSupplyBase -= withdrawn;
        totals.totalBorrowBase += borrowed;
    }

    function _checkBorrower(address account, int256 balance) private view {
        if (balance >= 0) return;
        if (uint256(-balance) < baseBorrowMin) revert BorrowTooSmall();
        if (!isBorrowCollateralized(account)) revert NotCollateralized();
    }

    function _supplyCollateral(address from, address dst, address asset, uint128 amount) private {
        CometToken(asset).transferFrom(from, address(this), amount);
        AssetInfo memory info = getAssetInfoByAddress(asset);
        uint128 all = totalsCollateral[asset].totalSupplyAsset + amount;
        if (all > info.supplyCap) revert SupplyCapExceeded();
        totalsCollateral[asset].totalSupplyAsset = all;
        _hold(dst, info, userCollateral[dst][asset].balance + amount);
        emit SupplyCollateral(from, dst, asset, amount);
    }

    function _withdrawCollateral(address src, address to, address asset, uint128 amount) private {
        uint128 left = userCollateral[src][asset].balance - amount;
        totalsCollateral[asset].totalSupplyAsset -= amount;
        _hold(src, getAssetInfoByAddress(asset), left);
        if (!isBorrowCollateralized(src)) revert NotCollateralized();
        CometToken(asset).transfer(to, amount);
        emit WithdrawCollateral(src, to, asset, amount);
    }

    function _transferCollateral(address src, address dst, address asset, uint128 amount) private {
        AssetInfo memory info = getAssetInfoByAddress(asset);
        _hold(src, info, userCollateral[src][asset].balance - amount);
        _hold(dst, info, userCollateral[dst][asset].balance + amount);
        if (!isBorrowCollateralized(src)) revert NotCollateralized();
        emit TransferCollateral(src, dst, asset, amount);
    }

    function _hold(address account, AssetInfo memory info, uint128 balance) private {
        userCollateral[account][info.asset].balance = balance;
        UserBasic storage user = userBasic[account];
        if (info.offset < 16) {
            uint16 bit = uint16(1) << info.offset;
            user.assetsIn = balance == 0 ? user.assetsIn & ~bit : user.assetsIn | bit;
        } else {
            uint8 bit = uint8(1) << (info.offset - 16);
            user._reserved = balance == 0 ? user._reserved & ~bit : user._reserved | bit;
        }
    }

    function _u64(uint256 n) private pure returns (uint64) {
        if (n > type(uint64).max) revert InvalidUInt64();
        return uint64(n);
    }

    function _u104(uint256 n) private pure returns (uint104) {
        if (n > type(uint104).max) revert InvalidUInt104();
        return uint104(n);
    }

    function _u128(uint256 n) private pure returns (uint128) {
        if (n > type(uint128).max) revert InvalidUInt128();
        return uint128(n);
    }

    function _i104(uint104 n) private pure returns (int104) {
        if (n > uint104(type(int104).max)) revert InvalidInt104();
        return int104(n);
    }
}
