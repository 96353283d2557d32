* Threshold model of Pershin and Di Ventra. The state is x0 + v(u), port x carries it. Node u is an offset that is 0 at rest:
* the inductor holds it in .op and .dc (where "time" is the swept value, so that time > 0 does not mean a transient) and is
* open in a transient.
.subckt pershin p n x params: r_on=1e3 r_off=10e3 alpha=0.0 beta=2e12 v_t=1.6 x0=0.6666666666666666 ramp=0.01
.param slope={r_off-r_on} low={-v_t} fast={beta/(r_off-r_on)} slow={alpha/(r_off-r_on)}
Bcell p n i = v(p,n)/(({r_on})+({slope})*max(0,min(1,({x0})+v(u))))
Bup 0 u i = time > 0
+ ? (({fast})*max(0,v(p,n)-({v_t}))+({slow})*max(0,min(({v_t}),v(p,n))))*max(-1,min(1,(1-({x0})-v(u))/({ramp})))
+ : 0
Bdown 0 u i = time > 0
+ ? (({fast})*min(0,v(p,n)-({low}))+({slow})*min(0,max(({low}),v(p,n))))*max(-1,min(1,(({x0})+v(u))/({ramp})))
+ : 0
Cu u 0 1
Lu u 0 1e20
Bx 0 x i = ({x0})+v(u)
Rx x 0 1
.ends pershin
