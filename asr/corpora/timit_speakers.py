"""The speakers of TIMIT's sets, and of the sets of its free sample."""

# The speakers of the TRAIN tree, by dialect region.
TRAIN_SPEAKERS = frozenset(
    """fcjf0 fdaw0 fdml0 fecd0 fetb0 fjsp0 fkfb0 fmem0 fsah0 fsjk1 fsma0 ftbr0 fvfb0 fvmh0 mcpm0 mdac0 mdpk0 medr0
    mgrl0 mjeb1 mjwt0 mkls0 mklw0 mmgg0 mmrp0 mpgh0 mpgr0 mpsw0 mrai0 mrcg0 mrdd0 mrso0 mrws0 mtjs0 mtpf0 mtrr0 mwad0
    mwar0 faem0 fajw0 fcaj0 fcmm0 fcyl0 fdas1 fdnc0 fdxw0 feac0 fhlm0 fjkl0 fkaa0 flma0 flmc0 fmjb0 fmkf0 fmmh0 fpjf0
    frll0 fscn0 fskl0 fsrh0 ftmg0 marc0 mbjv0 mcew0 mctm0 mdbp0 mdem0 mdlb0 mdlc2 mdmt0 mdps0 mdss0 mdwd0 mefg0 mhrm0
    mjae0 mjbg0 mjde0 mjeb0 mjhi0 mjma0 mjmd0 mjpm0 mjrp0 mkah0 mkaj0 mkdt0 mkjo0 mmaa0 mmag0 mmds0 mmgk0 mmxs0 mppc0
    mprb0 mrab0 mrcw0 mrfk0 mrgs0 mrhl0 mrjh0 mrjm0 mrjm1 mrjt0 mrlj0 mrlr0 mrms0 msat0 mtat1 mtbc0 mtdb0 mtjg0 mwsb0
    mzmb0 falk0 fcke0 fcmg0 fdfb0 fdjh0 feme0 fgcs0 fgrw0 fjlg0 fjlr0 flac0 fljd0 fltm0 fmjf0 fntb0 fpaz0 fsjs0 fsjw0
    fskc0 fsls0 madc0 makb0 makr0 mapv0 mbef0 mcal0 mcdc0 mcdd0 mcef0 mdbb1 mddc0 mdef0 mdhs0 mdjm0 mdlc0 mdlh0 mdns0
    mdss1 mdtb0 mdwm0 mfmc0 mgaf0 mhjb0 mhmr0 milb0 mjda0 mjjb0 mjkr0 mjlg1 mjrh1 mkls1 mkxl0 mlns0 mmam0 mmar0 mmeb0
    mmjb1 mmsm0 mprd0 mrbc0 mrds0 mree0 mreh1 mrjb1 mrtc0 mrtj0 mrwa0 msfv0 mtjm0 mtkp0 mtlb0 mtpg0 mtpp0 mvjh0 mwdk0
    mwgr0 falr0 fbas0 fbmj0 fcag0 fdkn0 feeh0 fjwb1 fjxp0 fkdw0 fklc0 flhd0 flkm0 fpaf0 fsak0 fssb0 maeb0 marw0 mbma0
    mbwp0 mcdr0 mcss0 mdcd0 mdma0 mesg0 mfrm0 mfwk0 mgag0 mgjc0 mgrp0 mgxp0 mjac0 mjdc0 mjee0 mjjj0 mjlb0 mjls0 mjmm0
    mjpm1 mjrh0 mjsr0 mjws0 mjxl0 mkam0 mlbc0 mlel0 mljc0 mljh0 mlsh0 mmbs0 mmdm0 mmgc0 mnet0 mpeb0 mprk0 mprt0 mrab1
    mrfl0 mrgm0 mrsp0 msfh0 msmc0 msms0 msrg0 mstf0 mtas0 mtqc0 mtrc0 mtrt0 fbjl0 fbmh0 fcdr1 fdmy0 fdtd0 fear0 fexm0
    fgdp0 fgmb0 fjxm0 fkkh0 flja0 fljg0 flmk0 flod0 fmpg0 fpmy0 fsag0 fsdc0 fsjg0 fskp0 fsmm0 fsms1 ftbw0 ftlg0 mbgt0
    mchl0 mclm0 mdas0 mdhl0 mdsj0 mdwh0 megj0 mewm0 mfer0 mges0 mgsh0 mhit0 mhmg0 mjdm0 mjfh0 mjpg0 mjrg0 mjwg0 mjxa0
    mmab1 mmcc0 mmdm1 mmvp0 mmwb0 mpmb0 mram0 mrav0 mrew1 mrkm0 mrld0 mrml0 mrvg0 msas0 msdh0 msem1 msrr0 mtat0 mtdp0
    mtmt0 mvlo0 mwac0 mwch0 mwem0 mwsh0 fapb0 fbch0 fhxs0 fjdm2 fklc1 flag0 fmju0 fpad0 frjb0 fsbk0 fsdj0 fsgf0 ftaj0
    mabc0 majp0 mbma1 mcae0 mdrd0 meal0 mejl0 mesj0 mjrk0 mkes0 mkln0 mmdb0 mpgr1 mrmb0 mrxb0 msat1 msds0 msjk0 msmr0
    msvs0 mtju0 mtxs0 fblv0 fcjs0 fcrz0 fjen0 fjhk0 fjrp1 fjsk0 fkde0 fksr0 fleh0 flet0 fmah1 fmkc0 fpab1 fpac0 freh0
    fspm0 fvkb0 madd0 maeo0 mafm0 mbar0 mbbr0 mbml0 mbom0 mbth0 mclk0 mcre0 mcth0 mdcm0 mded0 mdks0 mdlc1 mdlm0 mdlr0
    mdlr1 mdpb0 mfxs0 mfxv0 mgak0 mgar0 mgaw0 mgsl0 mhbs0 mhxl0 mjai0 mjdg0 mjfr0 mjjm0 mjra0 mkag0 mkdb0 mklr0 mmdg0
    mmws1 mntw0 mpar0 mpfu0 mrem0 mrlj1 mrmg0 mrmh0 mrpc1 msah1 msdb0 mses0 mtab0 mter0 mtkd0 mtlc0 mtml0 mtmn0 mtpr0
    mtwh1 mvrw0 mwre0 mwrp0 fbcg1 fceg0 fclt0 fjrb0 fklh0 fmbg0 fnkl0 fpls0 mbcg0 mbsb0 mcxm0 mejs0 mkdd0 mkrg0 mmea0
    mmlm0 mmpm0 mmws0 mrdm0 mrlk0 mrre0 mtcs0""".split()
)

# Core test set: 24 speakers, the set usually reported (TIMIT's testset.doc, table 1).
CORE_TEST_SPEAKERS = frozenset(
    """mdab0 mwbt0 felc0 mtas1 mwew0 fpas0 mjmp0 mlnt0 fpkt0 mlll0 mtls0 fjlm0 mbpm0 mklt0 fnlp0 mcmj0 mjdh0 fmgd0
    mgrt0 mnjm0 fdhc0 mjln0 mpam0 fmld0""".split()
)

# Development set: 50 other speakers of the TEST tree, as in Kaldi's recipe and its successors.
DEV_SPEAKERS = frozenset(
    """faks0 fdac1 fjem0 mgwt0 mjar0 mmdb1 mmdm2 mpdf0 fcmh0 fkms0 mbdg0 mbwm0 mcsh0 fadg0 fdms0 fedw0 mgjf0 mglb0
    mrtk0 mtaa0 mtdt0 mthc0 mwjg0 fnmr0 frew0 fsem0 mbns0 mmjr0 mdls0 mdlf0 mdvc0 mers0 fmah0 fdrw0 mrcs0 mrjm4 fcal1
    mmwh0 fjsj0 majc0 mjsw0 mreb0 fgjd0 fjmg0 mroa0 mteb0 mjfc0 mrjr0 fmml0 mrws1""".split()
)

# The free sample has no official split; this one is by speaker, one woman and one man in dev, two of each in test.
SAMPLE_TEST_SPEAKERS = frozenset("faem0 maeb0 fapb0 mbcg0".split())
SAMPLE_DEV_SPEAKERS = frozenset("ftlg0 madd0".split())
